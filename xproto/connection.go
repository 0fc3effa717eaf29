package xproto

// CapabilitiesSet is what a client wants of a connection
// (Mysqlx.Connection.CapabilitiesSet).
type CapabilitiesSet struct{ Capabilities Capabilities }

// Capabilities is what a server offers, or a client wants
// (Mysqlx.Connection.Capabilities): names and values.
type Capabilities struct{ List []Field }

// Decode reads the message from payload.
func (c *CapabilitiesSet) Decode(payload []byte) error {
	*c = CapabilitiesSet{}
	f := read("CapabilitiesSet", payload)
	for f.next() && f.err == nil {
		if f.num == 1 {
			f.err = firstError(f.err, c.Capabilities.Decode(f.bytes()))
		}
	}
	return f.err
}

// Append appends the message's payload to dst.
func (c *CapabilitiesSet) Append(dst []byte) []byte {
	return appendBytes(dst, 1, c.Capabilities.Append(nil))
}

// TLS tells whether the client asks for TLS.
func (c *CapabilitiesSet) TLS() bool { return c.Capabilities.Get(CapabilityTLS).True() }

// Compression returns the compression that the client asks for.
func (c *CapabilitiesSet) Compression() Algorithm {
	v := c.Capabilities.Get(CapabilityCompression)
	if v == nil {
		return Uncompressed
	}
	return AlgorithmNamed(v.Get("algorithm").String())
}

// Decode reads the message from payload.
func (c *Capabilities) Decode(payload []byte) error {
	*c = Capabilities{}
	f := read("Capabilities", payload)
	for f.next() {
		if f.num != 1 {
			continue
		}
		var field Field
		g := read("Capability", f.bytes())
		for g.next() && g.err == nil {
			switch g.num {
			case 1:
				field.Key = string(g.bytes())
			case 2:
				g.err = firstError(g.err, field.Value.Decode(g.bytes()))
			}
		}
		if g.err != nil {
			return g.err
		}
		if len(c.List) >= maxColumns {
			f.fail(tooMany)
			break
		}
		c.List = append(c.List, field)
	}
	return f.err
}

// Append appends the message's payload to dst.
func (c *Capabilities) Append(dst []byte) []byte {
	for i := range c.List {
		one := appendBytes(nil, 1, c.List[i].Key)
		one = appendBytes(one, 2, c.List[i].Value.Append(nil))
		dst = appendBytes(dst, 1, one)
	}
	return dst
}

// Get returns the value of a capability, or nil.
func (c *Capabilities) Get(name string) *Any {
	for i := range c.List {
		if c.List[i].Key == name {
			return &c.List[i].Value
		}
	}
	return nil
}

// Compressed is a message that holds others (Mysqlx.Connection.Compression).
type Compressed struct {
	// Size is how long Payload is without compression, as the sender says; 0
	// where it does not.
	Size uint64
	// Payload is borrowed.
	Payload []byte
}

// Decode reads the message from payload.
func (c *Compressed) Decode(payload []byte) error {
	*c = Compressed{}
	f := read("Compression", payload)
	for f.next() {
		switch f.num {
		case 1:
			c.Size = f.uint64()
		case 4:
			c.Payload = f.bytes()
		}
	}
	return f.err
}

// Append appends the message's payload to dst.
func (c *Compressed) Append(dst []byte) []byte {
	dst = appendVarint(dst, 1, c.Size)
	return appendBytes(dst, 4, c.Payload)
}
