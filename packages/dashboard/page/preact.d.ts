// The server serves preact's own module under the name `preact.js`.
export * from "preact"
