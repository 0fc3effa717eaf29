package capfile

import "myreplay/session"

// A Start's State stands in a stream of its own, which readers of the time
// before it pass over.

// The flags of a State and of its parts.
const (
	stateTransaction = 1
	varNull          = 1
	varNumber        = 2
	preparedSQL      = 1 // the text is given
)

// state writes the State of a Start that happened at a time.
func (e *encoder) state(s *session.State, at int64) {
	e.difference(stStates, uint64(s.Asked), uint64(at))
	e.difference(stStates, uint64(s.Told), uint64(s.Asked))
	var flags byte
	if s.Transaction {
		flags = stateTransaction
	}
	e.u8(stStates, flags)
	e.variables(s.Variables)
	e.variables(s.UserVariables)
	e.uvarint(stStates, uint64(len(s.Prepared)))
	for i := range s.Prepared {
		e.preparedState(&s.Prepared[i])
	}
	e.uvarint(stStates, uint64(len(s.Unknown)))
	for _, what := range s.Unknown {
		e.stateString(what)
	}
}

func (e *encoder) stateString(s string) {
	e.uvarint(stStates, uint64(len(s)))
	e.b[stStates] = append(e.b[stStates], s...)
}

func (e *encoder) variables(list []session.Variable) {
	e.uvarint(stStates, uint64(len(list)))
	for i := range list {
		v := &list[i]
		var flags byte
		if v.Null {
			flags |= varNull
		}
		if v.Number {
			flags |= varNumber
		}
		e.u8(stStates, flags)
		e.stateString(v.Name)
		e.stateString(v.Value)
	}
}

func (e *encoder) preparedState(p *session.PreparedState) {
	var flags byte
	if p.SQL != nil {
		flags = preparedSQL
	}
	e.u8(stStates, flags)
	e.uvarint(stStates, uint64(p.Statement))
	e.stateString(p.Name)
	if p.SQL != nil {
		e.uvarint(stStates, uint64(len(p.SQL)))
		e.raw(stStates, p.SQL)
	}
}

// stateCost returns what a State costs.
func stateCost(s *session.State) int {
	if s == nil {
		return 0
	}
	n := costState
	for _, list := range [][]session.Variable{s.Variables, s.UserVariables} {
		for i := range list {
			n += costPair + len(list[i].Name) + len(list[i].Value)
		}
	}
	for i := range s.Prepared {
		n += costPair + len(s.Prepared[i].Name) + len(s.Prepared[i].SQL)
	}
	for _, what := range s.Unknown {
		n += costPair + len(what)
	}
	return n
}

// state reads the State of a Start that happened at a time.
func (d *decoder) state(at int64) *session.State {
	if !d.spend(costState) {
		return nil
	}
	r := &d.r[stStates]
	s := &session.State{}
	s.Asked = at + r.Varint()
	s.Told = s.Asked + r.Varint()
	s.Transaction = r.Uint8()&stateTransaction != 0
	s.Variables = d.variables()
	s.UserVariables = d.variables()
	if n := d.stateList(); n > 0 {
		s.Prepared = make([]session.PreparedState, n)
	}
	for i := range s.Prepared {
		d.preparedState(&s.Prepared[i])
	}
	if n := d.stateList(); n > 0 {
		s.Unknown = make([]string, n)
	}
	for i := range s.Unknown {
		s.Unknown[i] = string(d.stateBytes())
	}
	return s
}

// stateList reads the number of parts of a list.
func (d *decoder) stateList() int {
	n := d.r[stStates].Uvarint()
	if n > uint64(d.r[stStates].Len()) || !d.spend(int(n)*costPair) {
		d.fail()
		return 0
	}
	return int(n)
}

// stateBytes reads a string, which the block owns.
func (d *decoder) stateBytes() []byte {
	b := d.r[stStates].VarBytes()
	if !d.spend(len(b)) {
		return nil
	}
	return b
}

func (d *decoder) variables() []session.Variable {
	n := d.stateList()
	if n == 0 {
		return nil
	}
	list := make([]session.Variable, n)
	for i := range list {
		flags := d.r[stStates].Uint8()
		list[i] = session.Variable{Null: flags&varNull != 0, Number: flags&varNumber != 0,
			Name: string(d.stateBytes()), Value: string(d.stateBytes())}
	}
	return list
}

func (d *decoder) preparedState(p *session.PreparedState) {
	r := &d.r[stStates]
	flags, id := r.Uint8(), r.Uvarint()
	if id > 1<<32-1 {
		d.fail()
		return
	}
	p.Statement = uint32(id)
	p.Name = string(d.stateBytes())
	if flags&preparedSQL != 0 {
		p.SQL = append([]byte{}, d.stateBytes()...) // kept for long: not of a slab
	}
}
