package wire

// Error conditions of any container [2.8.15].
const (
	ErrInternal              Symbol = "amqp:internal-error"
	ErrNotFound              Symbol = "amqp:not-found"
	ErrUnauthorizedAccess    Symbol = "amqp:unauthorized-access"
	ErrDecode                Symbol = "amqp:decode-error"
	ErrResourceLimitExceeded Symbol = "amqp:resource-limit-exceeded"
	ErrNotAllowed            Symbol = "amqp:not-allowed"
	ErrInvalidField          Symbol = "amqp:invalid-field"
	ErrNotImplemented        Symbol = "amqp:not-implemented"
	ErrResourceLocked        Symbol = "amqp:resource-locked"
	ErrPreconditionFailed    Symbol = "amqp:precondition-failed"
	ErrResourceDeleted       Symbol = "amqp:resource-deleted"
	ErrIllegalState          Symbol = "amqp:illegal-state"
	ErrFrameSizeTooSmall     Symbol = "amqp:frame-size-too-small"
)

// Error conditions of a connection [2.8.16].
const (
	ErrConnectionForced   Symbol = "amqp:connection:forced"
	ErrFraming            Symbol = "amqp:connection:framing-error"
	ErrConnectionRedirect Symbol = "amqp:connection:redirect"
)

// Error conditions of a session [2.8.17].
const (
	ErrWindowViolation  Symbol = "amqp:session:window-violation"
	ErrErrantLink       Symbol = "amqp:session:errant-link"
	ErrHandleInUse      Symbol = "amqp:session:handle-in-use"
	ErrUnattachedHandle Symbol = "amqp:session:unattached-handle"
)

// Error conditions of a link [2.8.18].
const (
	ErrDetachForced          Symbol = "amqp:link:detach-forced"
	ErrTransferLimitExceeded Symbol = "amqp:link:transfer-limit-exceeded"
	ErrMessageSizeExceeded   Symbol = "amqp:link:message-size-exceeded"
	ErrLinkRedirect          Symbol = "amqp:link:redirect"
	ErrStolen                Symbol = "amqp:link:stolen"
)

// Error conditions of a transaction [4.5.8].
const (
	ErrUnknownTransaction  Symbol = "amqp:transaction:unknown-id"
	ErrTransactionRollback Symbol = "amqp:transaction:rollback"
	ErrTransactionTimeout  Symbol = "amqp:transaction:timeout"
)
