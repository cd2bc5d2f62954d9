// As compilers translate a module that has a default export of functions.
const double = (n) => n * 2
exports.__esModule = true
exports.default = { double }
