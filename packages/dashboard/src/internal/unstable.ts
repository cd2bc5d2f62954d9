/**
 * The modules of effect that are not stable yet. When one of them changes, only this package's files that use it can
 * break, and they all import it from here.
 */
export * as HttpRouter from "effect/http/HttpRouter"
export * as HttpIncomingMessage from "effect/http/HttpIncomingMessage"
export * as HttpMiddleware from "effect/http/HttpMiddleware"
export * as HttpServer from "effect/http/HttpServer"
export * as HttpServerError from "effect/http/HttpServerError"
export * as HttpServerRequest from "effect/http/HttpServerRequest"
export * as HttpServerResponse from "effect/http/HttpServerResponse"
export * as PrometheusMetrics from "effect/observability/PrometheusMetrics"
export * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
