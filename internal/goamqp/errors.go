package goamqp

import (
	"errors"
	"fmt"

	"github.com/Azure/go-amqp"
)

// Explain turns errors of go-amqp into the words of the peer.
func Explain(err error) error {
	var conn *amqp.ConnError
	var link *amqp.LinkError
	var session *amqp.SessionError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &link) && link.RemoteErr != nil:
		return fmt.Errorf("the router detached the link: %s", Reason(link.RemoteErr))
	case errors.As(err, &session) && session.RemoteErr != nil:
		return fmt.Errorf("the router ended the session: %s", Reason(session.RemoteErr))
	case errors.As(err, &conn) && conn.RemoteErr != nil:
		return fmt.Errorf("the router closed the connection: %s", Reason(conn.RemoteErr))
	case errors.As(err, &conn):
		return fmt.Errorf("the connection was lost: %w", err)
	}
	return err
}

// Reason renders the error that a peer gives, of a rejected outcome for example.
func Reason(e *amqp.Error) string {
	switch {
	case e == nil:
		return "no reason given"
	case e.Description == "":
		return string(e.Condition)
	}
	return string(e.Condition) + ": " + e.Description
}
