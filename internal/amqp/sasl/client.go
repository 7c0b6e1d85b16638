package sasl

import (
	"errors"
	"fmt"
)

// ClientConfig is what a client proves itself with.
type ClientConfig struct {
	// Username and Password are those of PLAIN and SCRAM. A Username is the trace of ANONYMOUS too (RFC 4505).
	Username, Password string
	// Authorization is the user to act as; empty means the one who authenticates.
	Authorization string
	// Nonce is as in [ServerConfig].
	Nonce func() string
}

// Client is the client's side of one exchange. Input: [Client.Step] for each sasl-challenge, then [Client.Finish] for
// sasl-outcome. Output: [Client.Start] for sasl-init, and what Step and Finish return. It belongs to one goroutine at a
// time.
type Client struct {
	mechanism string
	initial   []byte
	exchange  clientExchange // nil for a mechanism that is over with the initial response
	err       error
}

// clientExchange is the state machine of a mechanism with challenges.
type clientExchange interface {
	step(challenge []byte) (response []byte, err error)
	finish(additional []byte) error
}

// NewClient prepares an exchange with a mechanism, usually the one that [Choose] picked. It fails if the mechanism is
// unknown or the configuration lacks what it needs.
func NewClient(mechanism string, cfg ClientConfig) (*Client, error) {
	if cfg.Nonce == nil {
		cfg.Nonce = newNonce
	}
	c := &Client{mechanism: mechanism}
	switch mechanism {
	case Anonymous:
		c.initial = anonymousInitial(cfg.Username)
		return c, nil
	case External:
		c.initial = []byte(cfg.Authorization)
		return c, nil
	case Plain, ScramSHA256, ScramSHA512:
	default:
		return nil, fmt.Errorf("sasl: mechanism %.40q is not supported", mechanism)
	}
	if err := checkName("user name", cfg.Username); err != nil {
		return nil, fmt.Errorf("sasl: %s: %w", mechanism, err)
	}
	if cfg.Password == "" {
		return nil, fmt.Errorf("sasl: %s: the password is empty", mechanism)
	}
	var err error
	if mechanism == Plain {
		c.initial, err = plainInitial(cfg)
	} else {
		h, _ := scramHash(mechanism)
		scram := &scramClient{hash: h, cfg: cfg}
		c.initial, c.exchange = scram.first(), scram
		err = checkSize(c.initial)
	}
	if err != nil {
		return nil, fmt.Errorf("sasl: %s: %w", mechanism, err)
	}
	return c, nil
}

// Mechanism returns the name of the mechanism.
func (c *Client) Mechanism() string { return c.mechanism }

// Start returns the initial response of sasl-init [5.3.3.2]. It is never nil: every mechanism here starts with the
// client.
func (c *Client) Start() []byte { return c.initial }

// Step takes a sasl-challenge and returns the content of the sasl-response. An error ends the exchange: the server
// cannot be trusted, or does not follow the mechanism, and the connection is to be closed.
func (c *Client) Step(challenge []byte) ([]byte, error) {
	if c.err != nil {
		return nil, c.err
	}
	var response []byte
	err := checkSize(challenge)
	if err == nil && c.exchange == nil {
		err = errors.New("the server sent a challenge where the mechanism has none")
	}
	if err == nil {
		response, err = c.exchange.step(challenge)
	}
	return response, c.fail(err)
}

// Finish takes the outcome [5.3.3.6] and its additional-data. Nil means that both sides have proved what the mechanism
// asks of them; with SCRAM a server that cannot prove to know the password is refused even if it says ok.
func (c *Client) Finish(outcome Outcome, additional []byte) error {
	switch {
	case c.err != nil:
		return c.err
	case outcome != OK:
		return c.fail(fmt.Errorf("the server refused: outcome %s", outcome))
	case c.exchange == nil:
		return nil
	}
	err := checkSize(additional)
	if err == nil {
		err = c.exchange.finish(additional)
	}
	return c.fail(err)
}

// fail remembers what ended the exchange.
func (c *Client) fail(err error) error {
	if err != nil {
		c.err = fmt.Errorf("sasl: %s: %w", c.mechanism, err)
	}
	return c.err
}
