package tls

import "crypto/tls"

// State describes a connection after its handshake; it does not change.
type State struct {
	Connection        ConnectionState
	Identity          string // of the peer's certificate, "" without one
	ClientCertificate bool   // the peer is a server and was shown a certificate of ours
	Protocol          string // sslProto: TLSv1.2, TLSv1.3
	Cipher            string // sslCipher: OpenSSL's name
	SSF               int    // sslSsf: bits of the cipher's key that count
}

// describe names what a connection uses in Interconnect's words.
func describe(state tls.ConnectionState) *State {
	s := &State{
		Connection: state, Protocol: versionName(state.Version), Cipher: tls.CipherSuiteName(state.CipherSuite),
	}
	for _, c := range suites {
		if c.id == state.CipherSuite {
			s.Cipher, s.SSF = c.name, c.bits()
		}
	}
	switch state.CipherSuite { // TLS 1.3: OpenSSL's names are the standard's
	case tls.TLS_AES_128_GCM_SHA256:
		s.SSF = 128
	case tls.TLS_AES_256_GCM_SHA384, tls.TLS_CHACHA20_POLY1305_SHA256:
		s.SSF = 256
	}
	return s
}
