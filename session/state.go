package session

// State is what a session had before the commands that were recorded of it, as
// its server told when it was asked. The session's Start carries it; user,
// schema and collation are in the Start's Login.
type State struct {
	// Asked and Told are when asking the server began and when its answer was
	// whole, nanoseconds since the Unix epoch. Commands answered before Asked are
	// part of the state; those between the two may be.
	Asked, Told int64
	// Variables are the system variables whose value is not the global one,
	// UserVariables the user's own (@name).
	Variables, UserVariables []Variable
	// Prepared are the statements that were prepared and not closed.
	Prepared []PreparedState
	// Transaction: one was open. What was done in it before is not known.
	Transaction bool
	// Unknown names, for a reader, what the server could not tell: "session
	// variables", "prepared statements".
	Unknown []string
}

// Variable is a variable of a session. Value is its text. Null: it is NULL.
// Number: its value is written without quotes.
type Variable struct {
	Name, Value  string
	Null, Number bool
}

// PreparedState is an open prepared statement.
type PreparedState struct {
	// Statement is the server's id for it, Name the name of one made by the SQL
	// statement PREPARE ("" for those of the protocol).
	Statement uint32
	Name      string
	// SQL is its text; nil where the server could not tell all of it: such a
	// statement is never prepared anew.
	SQL []byte
}
