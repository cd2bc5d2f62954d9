/**
 * @since 0.1.0
 */
export * from "./Dashboard.ts"
export * from "./DashboardOptions.ts"
export * as Protocol from "./Protocol.ts"
