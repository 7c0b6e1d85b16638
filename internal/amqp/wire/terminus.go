package wire

// Layouts of the termini [3.5.3, 3.5.4, 4.5.1].
var (
	sourceLayout = layout{"source", DescriptorSource, []string{"address", "durable", "expiry-policy", "timeout",
		"dynamic", "dynamic-node-properties", "distribution-mode", "filter", "default-outcome", "outcomes",
		"capabilities"}}
	targetLayout = layout{"target", DescriptorTarget, []string{"address", "durable", "expiry-policy", "timeout",
		"dynamic", "dynamic-node-properties", "capabilities"}}
	coordinatorLayout = layout{"coordinator", DescriptorCoordinator, []string{"capabilities"}}
)

// SessionEnd is the default expiry policy of a terminus [3.5.6].
const SessionEnd Symbol = "session-end"

// Append appends the encoding of s; null when s is nil.
func (s *Source) Append(dst []byte) []byte {
	if s == nil {
		return AppendNull(dst)
	}
	w := beginList(dst, DescriptorSource)
	w.text(s.Address, s.HasAddress)
	w.uint(s.Durable, s.Durable != 0)
	w.symbol(s.ExpiryPolicy, s.ExpiryPolicy != "" && s.ExpiryPolicy != SessionEnd)
	w.uint(s.Timeout, s.Timeout != 0)
	w.trueOrNull(s.Dynamic)
	w.raw(s.DynamicNodeProperties)
	w.symbol(s.DistributionMode, s.DistributionMode != "")
	w.raw(s.Filter)
	w.raw(s.DefaultOutcome)
	w.symbols(s.Outcomes, false)
	w.symbols(s.Capabilities, s.SingleCapability)
	return w.end()
}

// Append appends the encoding of t; null when t is nil.
func (t *Target) Append(dst []byte) []byte {
	if t == nil {
		return AppendNull(dst)
	}
	w := beginList(dst, DescriptorTarget)
	w.text(t.Address, t.HasAddress)
	w.uint(t.Durable, t.Durable != 0)
	w.symbol(t.ExpiryPolicy, t.ExpiryPolicy != "" && t.ExpiryPolicy != SessionEnd)
	w.uint(t.Timeout, t.Timeout != 0)
	w.trueOrNull(t.Dynamic)
	w.raw(t.DynamicNodeProperties)
	w.symbols(t.Capabilities, t.SingleCapability)
	return w.end()
}

// Append appends the encoding of c; null when c is nil.
func (c *Coordinator) Append(dst []byte) []byte {
	if c == nil {
		return AppendNull(dst)
	}
	w := beginList(dst, DescriptorCoordinator)
	w.symbols(c.Capabilities, false)
	return w.end()
}

// source decodes a field that holds a source.
func (f *fields) source() *Source {
	if !f.next(optional) {
		return nil
	}
	in := sourceLayout.enter(f.b, f.i)
	s := &Source{}
	s.Address, s.HasAddress = in.text(optional)
	s.Durable, _ = in.uint(optional)
	s.ExpiryPolicy = in.expiryPolicy()
	s.Timeout, _ = in.uint(optional)
	s.Dynamic = in.boolean(optional)
	s.DynamicNodeProperties = in.mapping().Clone()
	s.DistributionMode, _ = in.symbol(optional)
	s.Filter = in.mapping().Clone()
	s.DefaultOutcome = in.any().Clone()
	s.Outcomes, _ = in.symbols(optional)
	s.Capabilities, s.SingleCapability = in.symbols(optional)
	return leave(f, &in, s)
}

// target decodes a field that holds a target or a coordinator.
func (f *fields) target() (*Target, *Coordinator) {
	if !f.next(optional) {
		return nil, nil
	}
	code, next, bad := descriptorAt(f.b, f.i)
	if bad == nil && code == DescriptorCoordinator {
		in := coordinatorLayout.enterList(f.b, next)
		c := &Coordinator{}
		c.Capabilities, _ = in.symbols(optional)
		return nil, leave(f, &in, c)
	}
	in := targetLayout.enter(f.b, f.i)
	t := &Target{}
	t.Address, t.HasAddress = in.text(optional)
	t.Durable, _ = in.uint(optional)
	t.ExpiryPolicy = in.expiryPolicy()
	t.Timeout, _ = in.uint(optional)
	t.Dynamic = in.boolean(optional)
	t.DynamicNodeProperties = in.mapping().Clone()
	t.Capabilities, t.SingleCapability = in.symbols(optional)
	return leave(f, &in, t), nil
}

func (f *fields) expiryPolicy() Symbol {
	if v, ok := f.symbol(optional); ok {
		return v
	}
	return SessionEnd
}

// leave ends the composite value in, which is a field of f, and returns v, or nil when it failed.
func leave[T any](f, in *fields, v *T) *T {
	next, bad := in.end()
	if bad != nil {
		f.fail(bad)
		return nil
	}
	f.i = next
	return v
}
