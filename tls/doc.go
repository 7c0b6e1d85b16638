// Package tls turns the sslProfile entity into connections: certificates, trust, ciphers and protocols from files and
// attributes in Interconnect's form, files that are read again when they change, and the identity that a peer's
// certificate proves. It is the only package of the project that imports crypto/tls.
//
// A [Profile] is loaded once and serves listeners and connectors. Each handshake looks at the modification times of the
// profile's files, and uses what is in them now; a changed file that is broken leaves the last good content in use and
// is reported once. Connections that are open keep what they were opened with.
//
// Where Interconnect's OpenSSL and Go differ, the profile does what an Interconnect file means:
//
//   - ciphers is an OpenSSL cipher list. Go chooses the order itself, and always enables all of TLS 1.3, as OpenSSL's
//     list does not touch that either. See [ProfileConfig].
//   - protocols may leave out a version in the middle.
//   - A certificate without subject alternative names may name its host in the common name, if the profile trusts an
//     authority of its own (caCertFile) and not those of the system.
//   - Without authenticatePeer a server does not ask for a client certificate.
//   - Keys may be encrypted, in PKCS#8 or in the older PEM form.
//
// Two things differ on purpose: sessions are never resumed, so that each connection proves its certificate anew against
// what is trusted now; and records have their full size from the start, since routers talk in bulk.
package tls
