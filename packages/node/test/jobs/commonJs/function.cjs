const double = (n) => n * 2
module.exports = Object.assign((n) => n * 3, Object.fromEntries([["double", double]]))
