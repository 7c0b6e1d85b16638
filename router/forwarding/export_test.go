package forwarding

// What the tests of this package see of turns and accounts.
const (
	TurnUnits  = turnUnits
	FanOut     = fanOut
	UnreadMost = unreadMost
	UserMost   = userMost
	BranchCost = branchCost

	RepliesOfConn = repliesOfConn
	RepliesOfUser = repliesOfUser
	RepliesMost   = repliesMost
)

// Units is what the last turn of an endpoint has done.
func (c *Endpoint) Units() int { return c.work.units }

// IsLeft reports whether turns have left something for the next.
func (c *Endpoint) IsLeft() bool { return c.isLeft() }

// Account is that of the endpoint's user, nil for none.
func (c *Endpoint) Account() *Account { return c.account.Load() }

// Len is how many users have an account.
func (s *Accounts) Len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.byKey)
}
