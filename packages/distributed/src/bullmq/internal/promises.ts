/** Calls back when a promise of the engine has settled. No rejection is left unhandled. */
export const whenSettled = <A>(
  promise: Promise<A>,
  onSuccess: (value: A) => void,
  onFailure: (error: unknown) => void = () => {}
): void => {
  promise.then(onSuccess, onFailure)
}
