package capfile

import "myreplay/session"

// cost returns what an event costs (MaxEvent). The decoder counts the same
// parts, so what a Writer accepts can be read.
func (e *encoder) cost(ev session.Event) int {
	switch ev := ev.(type) {
	case *session.Start:
		return costEvent + len(ev.ServerVersion) + loginCost(&ev.Login) + errorCost(ev.Refused) + stateCost(ev.State)
	case *session.Command:
		n := costEvent + len(ev.Payload) + len(ev.SQL)
		if ev.Login != nil {
			n += loginCost(ev.Login)
		}
		if ev.Order != nil {
			n += costEvent
		}
		if n > MaxEvent {
			if h, _ := commandHeadOf(ev); h.flags&cmdSQL == 0 {
				n -= len(ev.SQL) // it stands within the payload
			}
		}
		return n
	case *session.Reply:
		n := costEvent
		for i := range ev.Results {
			n += e.resultCost(&ev.Results[i])
		}
		return n
	case *session.Gap:
		return costEvent + len(ev.Detail)
	}
	return costEvent
}

func (e *encoder) resultCost(r *session.Result) int {
	n := costResult + len(r.Info) + errorCost(r.Error) + costHash*len(r.Keyed)
	if r.Columns != nil {
		if _, known := e.results.number(r.Columns); !known {
			n += columnsCost(r.Columns)
		}
	}
	for _, row := range r.Kept {
		n += costRow + len(row)
	}
	for i := range r.Changes {
		n += costPair + len(r.Changes[i].Name) + len(r.Changes[i].Value)
	}
	return n
}

func loginCost(l *session.Login) int {
	n := costPair + len(l.User) + len(l.Schema) + len(l.Plugin) + len(l.Compression)
	for _, a := range l.Attributes {
		n += costPair + len(a.Name) + len(a.Value)
	}
	return n
}

func errorCost(err *session.Error) int {
	if err == nil {
		return 0
	}
	return costPair + len(err.State) + len(err.Message)
}

func columnsCost(c *session.Columns) int {
	n := costPair
	for i := range c.List {
		d := &c.List[i]
		n += costColumn + len(d.Schema) + len(d.Table) + len(d.OrgTable) + len(d.Name) + len(d.OrgName)
	}
	return n
}
