/**
 * Whether a web page of somebody else is behind an HTTP request. A browser sends requests to this
 * machine for any page that wants it, and who comes from this machine may do without credentials.
 * Browsers say whose page it is (`Origin`, `Sec-Fetch-Site`); programs send neither.
 *
 * Pages of this machine may ask. A name that only leads here (DNS rebinding) is not this machine.
 */

/** Names and addresses as URL writes them: in lower case, IPv4 in four decimal numbers. */
const THIS_MACHINE = /^(?:(?:.+\.)?localhost|127(?:\.\d+){3}|\[::1\])$/;

/** What the fields `Origin`, `Sec-Fetch-Site` and `Host` say; '' when a field is not there. */
export function isForeignPage(origin: string, fetchSite: string, host: string): boolean {
  if (origin === '' && fetchSite === '') return false;
  if (!isThisMachine(`http://${host}`)) return true;
  return origin === '' ? fetchSite === 'cross-site' : !isThisMachine(origin);
}

function isThisMachine(origin: string): boolean {
  return THIS_MACHINE.test(URL.parse(origin)?.hostname ?? '');
}
