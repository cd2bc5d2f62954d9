// Loaded before a program: crashes it on SIGUSR2.
process.on("SIGUSR2", () => {
  throw new Error("crashed on purpose")
})
