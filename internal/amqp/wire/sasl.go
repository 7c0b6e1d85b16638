package wire

// Layouts of the SASL performatives [5.3.3].
var (
	saslMechanismsLayout = layout{"sasl-mechanisms", DescriptorSASLMechanisms, []string{"sasl-server-mechanisms"}}
	saslInitLayout       = layout{"sasl-init", DescriptorSASLInit, []string{"mechanism", "initial-response",
		"hostname"}}
	saslChallengeLayout = layout{"sasl-challenge", DescriptorSASLChallenge, []string{"challenge"}}
	saslResponseLayout  = layout{"sasl-response", DescriptorSASLResponse, []string{"response"}}
	saslOutcomeLayout   = layout{"sasl-outcome", DescriptorSASLOutcome, []string{"code", "additional-data"}}
)

// Codes of a SASL outcome [5.3.3.6].
const (
	SASLOK              uint8 = 0 // authentication succeeded
	SASLAuth            uint8 = 1 // authentication failed because of the credentials
	SASLSystem          uint8 = 2 // authentication failed because of an error in the system
	SASLSystemPermanent uint8 = 3 // … that is unlikely to go away
	SASLSystemTemporary uint8 = 4 // … that may go away
)

// Decode decodes the sasl-mechanisms performative that starts at body[0] into x, and returns what follows it.
func (x *SASLMechanisms) Decode(body []byte) (rest []byte, err error) {
	f := saslMechanismsLayout.enter(body, 0)
	*x = SASLMechanisms{}
	x.Mechanisms, _ = f.symbols(mandatory)
	return f.rest(body)
}

// Append appends the encoding of x.
func (x *SASLMechanisms) Append(dst []byte) []byte {
	w := beginList(dst, DescriptorSASLMechanisms)
	w.field()
	w.b = AppendSymbolArray(w.b, x.Mechanisms)
	return w.end()
}

// Decode decodes the sasl-init performative that starts at body[0] into x, and returns what follows it.
func (x *SASLInit) Decode(body []byte) (rest []byte, err error) {
	f := saslInitLayout.enter(body, 0)
	*x = SASLInit{}
	x.Mechanism, _ = f.symbol(mandatory)
	x.InitialResponse, x.HasInitialResponse = f.binary(optional)
	x.Hostname, _ = f.text(optional)
	return f.rest(body)
}

// Append appends the encoding of x.
func (x *SASLInit) Append(dst []byte) []byte {
	w := beginList(dst, DescriptorSASLInit)
	w.symbol(x.Mechanism, true)
	w.binary(x.InitialResponse, x.HasInitialResponse)
	w.text(x.Hostname, x.Hostname != "")
	return w.end()
}

// Decode decodes the sasl-challenge performative that starts at body[0] into x, and returns what follows it.
func (x *SASLChallenge) Decode(body []byte) (rest []byte, err error) {
	f := saslChallengeLayout.enter(body, 0)
	*x = SASLChallenge{}
	x.Challenge, _ = f.binary(mandatory)
	return f.rest(body)
}

// Append appends the encoding of x.
func (x *SASLChallenge) Append(dst []byte) []byte {
	w := beginList(dst, DescriptorSASLChallenge)
	w.binary(x.Challenge, true)
	return w.end()
}

// Decode decodes the sasl-response performative that starts at body[0] into x, and returns what follows it.
func (x *SASLResponse) Decode(body []byte) (rest []byte, err error) {
	f := saslResponseLayout.enter(body, 0)
	*x = SASLResponse{}
	x.Response, _ = f.binary(mandatory)
	return f.rest(body)
}

// Append appends the encoding of x.
func (x *SASLResponse) Append(dst []byte) []byte {
	w := beginList(dst, DescriptorSASLResponse)
	w.binary(x.Response, true)
	return w.end()
}

// Decode decodes the sasl-outcome performative that starts at body[0] into x, and returns what follows it.
func (x *SASLOutcome) Decode(body []byte) (rest []byte, err error) {
	f := saslOutcomeLayout.enter(body, 0)
	*x = SASLOutcome{}
	at := f.i
	x.Code, _ = f.ubyte(mandatory)
	if x.Code > SASLSystemTemporary {
		f.fail(invalid(at, "value %d, which must be at most %d", x.Code, SASLSystemTemporary))
	}
	x.AdditionalData, _ = f.binary(optional)
	return f.rest(body)
}

// Append appends the encoding of x.
func (x *SASLOutcome) Append(dst []byte) []byte {
	w := beginList(dst, DescriptorSASLOutcome)
	w.ubyte(x.Code, true)
	w.binary(x.AdditionalData, x.AdditionalData != nil)
	return w.end()
}
