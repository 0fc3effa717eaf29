package sqltext

import "bytes"

// setting is the kind of statement a watch is in.
type setting uint8

const (
	inOther  setting = iota // options and DDL: PASSWORD 'x' is a secret
	inAsk                   // queries: password = 'x' is data
	inDML                   // DML: literals are data
	inAssign                // SET
)

// settingOf tells the kind of statement that begins with a word.
func settingOf(w Word) setting {
	switch w {
	case wInsert, wReplace, wUpdate, wDelete, wLoad:
		return inDML
	case wSelect, wWith, wTable, wValues, wDo, wCall, wShow, wExplain, wDescribe, wDesc, wAnalyze, wHandler, wHelp,
		wReturn, wDeclare, wIf, wWhile, wCase, wElseif, wFetch, wOpen, wClose:
		return inAsk
	case wSet:
		return inAssign
	}
	return inOther
}

const maxCalls = 8 // nested calls of cryptographic functions

// cryptoCall is a function whose arguments are being read.
type cryptoCall struct {
	args  cryptoArgs
	depth int // inside its parentheses
	arg   int
	// oracle: DECODE, which is another function when it has three arguments.
	oracle bool
	marks  int // the marks there were before
}

// secret tells whether the argument being read is.
func (c *cryptoCall) secret() bool { return c.arg >= c.args.from && c.arg <= c.args.to }

// watch follows the tokens of a text and marks the secrets.
type watch struct {
	text   []byte
	opt    Options
	nested int
	hidden []hidden
	params bool
	whole  bool // all literals are secrets

	setting setting
	// fresh: the next word begins a statement.
	fresh bool
	// verb is the statement's first word.
	verb Word
	prev Token
	// account: in CREATE or ALTER USER or SERVER.
	account bool
	// identified: IDENTIFIED was seen, so BY and AS come before secrets.
	identified bool
	// bare: a secret without quotes may follow, in error.
	bare bool
	// option: an option is being assigned, no variable of the user's.
	option bool
	// expect: the next literal is a secret. held: it is one if a parenthesis
	// comes first, of a function.
	expect, held bool
	// joins: the last literal was a secret and may go on.
	joins bool
	// plugin: the next literal or name is a plugin's.
	plugin bool
	// setPassword: in SET PASSWORD; the secret follows = or TO.
	setPassword bool
	// value: a secret's value is being assigned, up to the next comma.
	value bool
	// all: all literals that follow in the statement are secrets.
	all bool
	// connection: the next literal may be a URL with a password.
	connection bool
	// schemaIsMySQL: the last name was mysql, which a point and a table's name
	// may follow.
	schemaIsMySQL bool
	depth         int
	// secretDepth is the depth inside a parenthesis with secrets only, or 0.
	secretDepth int
	calls       [maxCalls]cryptoCall
	numCalls    int
}

// begin readies the watch for a statement.
func (w *watch) begin() {
	*w = watch{text: w.text, opt: w.opt, nested: w.nested, hidden: w.hidden, params: w.params, whole: w.whole, all: w.whole,
		fresh: true}
}

func (w *watch) mark(s Span) { w.hidden = append(w.hidden, hidden{Span: s}) }

// expecting tells whether a secret should follow.
func (w *watch) expecting() bool {
	return w.expect || w.joins || w.value || w.all || w.secretDepth > 0 || w.inCall()
}

// inCall tells whether the next literal is a secret argument.
func (w *watch) inCall() bool {
	for _, c := range w.calls[:w.numCalls] {
		if c.secret() {
			return true
		}
	}
	return false
}

// isArgument tells whether the next number is itself a secret argument, and
// not one of a function within, as in SHA2('key', 256).
func (w *watch) isArgument() bool {
	if w.numCalls == 0 || w.setting == inOther { // in DDL it is a length: password(10)
		return false
	}
	c := &w.calls[w.numCalls-1]
	return c.depth == w.depth && c.secret()
}

// isAccount tells whether the statement is of the kind that sets passwords.
func (w *watch) isAccount() bool {
	switch w.verb {
	case wCreate, wAlter, wGrant, wSet, wChange, wStart, wClone:
		return true
	}
	return false
}

// token takes the next token.
func (w *watch) token(t Token) {
	switch t.Kind {
	case Comment:
		w.comment(t)
		return
	case Introducer:
		return
	case Ident, Quoted:
		if w.takeBare(t) {
			break
		}
		if t.Kind == Ident {
			w.word(t, w.text[t.Start:t.End], t.Word)
		} else {
			w.word(t, trimQuotes(w.text[t.Start:t.End]), wNone)
		}
	case String, Hex, Bits, Int, Decimal, Float, Param:
		w.literal(t)
	case Op:
		w.operator(t)
	default:
		w.takeBare(t)
		w.expect, w.held, w.joins = false, false, false
	}
	w.prev = t
}

// takeBare hides a secret that was written without quotes, and all that follows
// it: it may be of any characters. In double quotes under ANSI_QUOTES it is of
// known length.
func (w *watch) takeBare(t Token) bool {
	bare := w.bare
	w.bare = false
	switch {
	case !bare, t.Word == wRandom, t.Word == wPassword, t.Word == wOldPassword, t.Word == wFor, t.Word == wTo:
		return false
	case t.Kind == Ident && w.isCalled(t):
		return false
	case t.Kind == Quoted:
		w.mark(t.Span)
	default:
		w.mark(Span{t.Start, len(w.text)})
	}
	w.expect = false
	return true
}

// isCalled tells whether a parenthesis follows a word.
func (w *watch) isCalled(t Token) bool {
	rest := trimSpace(w.text[t.End:])
	return len(rest) > 0 && rest[0] == '('
}

func (w *watch) comment(t Token) {
	if c := t.Of(w.text); bytes.HasPrefix(c, []byte("/*!")) || bytes.HasPrefix(c, []byte("/*M!")) {
		return // another reading has it as code
	}
	inner := commentInside(w.text, t.Span)
	if freeSecret(inner.Of(w.text), true) {
		w.hidden = append(w.hidden, hidden{inner, true})
	}
}

// word takes a name or keyword.
func (w *watch) word(t Token, name []byte, word Word) {
	if w.fresh {
		w.fresh = false
		w.setting, w.verb = settingOf(word), word
	}
	w.object(word)
	expect, plugin := w.expect, w.plugin
	w.expect, w.held, w.joins, w.plugin, w.connection = false, expect, false, false, false
	switch word {
	case wIdentified, wChallengeResponse:
		w.identified = w.verb != wLoad // LOAD XML ... ROWS IDENTIFIED BY '<row>'
		w.expect = w.account           // in error, without BY
	case wBy, wAs, wUsing, wReplace:
		w.expect = w.identified || w.setPassword || w.account
		w.bare = word == wBy && w.expect
	case wWith, wVia, wOr:
		w.plugin = w.identified
	case wTo:
		w.expect, w.bare = w.setPassword, w.setPassword
	case wConnection:
		w.connection = w.setting == inOther
	case wBegin, wThen, wElse, wDo, wLoop, wRepeat:
		w.fresh = w.setting == inOther || word == wThen && (w.verb == wIf || w.verb == wElseif || w.verb == wCase)
	case wPassword:
		w.expect = !plugin && (w.setting == inOther || w.setting == inAssign)
		w.setPassword = w.setPassword || w.setting == inAssign && w.prev.Word == wSet
		w.bare = w.setPassword && w.prev.Word == wSet
	default:
		w.name(name)
		if w.value && (w.prev.Op == '=' || w.prev.Op == OpAssign) && w.isValue(t) {
			w.mark(t.Span)
		}
	}
}

// object takes note of what CREATE and ALTER are about.
func (w *watch) object(word Word) {
	if w.setting != inOther {
		return
	}
	switch word {
	case wUser, wServer:
		switch w.prev.Word {
		case wCreate, wAlter, wReplace: // CREATE OR REPLACE
			w.account = w.prev.Kind == Ident
		}
	case wSelect, wWith:
		if w.verb == wCreate && !w.identified && !w.account {
			w.setting = inAsk // of a view, a table or a routine
		}
	}
}

// isValue tells whether a word behind SET x = is a string without quotes: no
// function, no qualified name, no DEFAULT.
func (w *watch) isValue(t Token) bool {
	rest := trimSpace(w.text[t.End:])
	if w.isCalled(t) || len(rest) > 0 && rest[0] == '.' {
		return false
	}
	switch t.Word {
	case wDefault, wNull, wOn, wOff, wTrue, wFalse, wBinary:
		return false
	}
	return true
}

// name takes a name that is no keyword of interest.
func (w *watch) name(name []byte) {
	member := w.prev.Kind == Op && w.prev.Op == '.'
	switch {
	case isSecretName(name):
		w.expect = w.setting == inOther || w.setting == inAssign || sameFold(name, []byte("authentication_string"))
	case w.setting == inAssign && isSecretVariable(name):
		w.expect = true
	case w.setting == inOther && w.isMisspelt(name):
		w.identified, w.expect = true, w.account
	case member && w.setting == inDML && w.verb != wDelete && w.schemaIsMySQL && isAccountTable(name):
		w.all = true
	case member && w.verb == wCall && (w.schemaIsMySQL || hasFold(name, "rds_set_")):
		w.all = true
	}
	w.schemaIsMySQL = sameFold(name, []byte("mysql"))
}

// isMisspelt tells whether a word is meant for IDENTIFIED: IDENTIFED, INDENTIFIED,
// or with a space that is none to the server.
func (w *watch) isMisspelt(name []byte) bool {
	const longest = len("indentifieed")
	if indexFold(name, "dentif") <= 0 {
		return false
	}
	return w.account || len(name) <= longest && name[len(name)-1]|0x20 == 'd'
}

// isAccountTable tells whether a table of the schema mysql holds secrets.
func isAccountTable(name []byte) bool {
	for _, s := range []string{"user", "global_priv", "servers", "slave_master_info", "password_history"} {
		if sameFold(name, []byte(s)) {
			return true
		}
	}
	return false
}

// literal takes a literal or a placeholder.
func (w *watch) literal(t Token) {
	expect, joins, plugin, connection := w.expect, w.joins, w.plugin, w.connection
	w.expect, w.held, w.joins, w.plugin, w.connection, w.bare = false, false, false, false, false, false
	secret := w.all || joins && t.Kind == String || w.setPassword && t.Kind == String && w.endsAccount()
	switch t.Kind {
	case Int, Decimal, Float:
		const digit = 1 // a switch, not a secret
		secret = secret || w.isArgument() || w.value && t.End-t.Start > digit
	default:
		secret = secret || expect || w.value || w.secretDepth > 0 || w.inCall()
	}
	switch {
	case plugin && !w.all:
	case secret && t.Kind == Param:
		w.params = true
	case secret:
		w.mark(t.Span)
		w.joins = t.Kind == String
	case connection && hasURLPassword(w.text[t.Start:t.End]):
		w.mark(t.Span)
	case t.Kind == String && w.setting != inDML:
		w.nestedText(t)
	}
}

// endsAccount tells whether what was just read is an account's name, in SET
// PASSWORD FOR 'u'@'h' 'x', which lacks its =.
func (w *watch) endsAccount() bool {
	return w.prev.Kind == Ident && w.prev.Word == wNone || w.prev.Kind == UserVar && w.prev.End-w.prev.Start > 1
}

// hasURLPassword tells whether a literal is a URL that names a user.
func hasURLPassword(literal []byte) bool {
	_, rest, ok := bytes.Cut(literal, []byte("://"))
	return ok && bytes.IndexByte(rest, '@') >= 0
}

// maxNestedText is how deep literals in literals are looked into. What lies
// deeper is taken for a secret when it may be one.
const maxNestedText = 3

// nestedText marks a literal that holds a statement with a secret.
func (w *watch) nestedText(t Token) {
	raw := w.text[t.Start:t.End]
	if !maybeSecret(raw) && !beginsAccount(raw) {
		return
	}
	free := w.option || w.verb == wCreate || w.verb == wAlter
	if w.nested >= maxNestedText || free && freeSecret(raw, false) {
		w.mark(t.Span)
		return
	}
	inner := masker{nested: w.nested + 1}
	inner.findAs(AppendString(nil, raw, w.opt), w.opt, false)
	if inner.secret.Found || inner.open {
		w.mark(t.Span)
	}
	w.params = w.params || inner.secret.Params
	// CONCAT('... IDENTIFIED BY ''', 'secret', '''') and EXECUTE IMMEDIATE '...
	// IDENTIFIED BY ?' USING 'secret'.
	w.all = w.all || inner.open || inner.secret.Params && w.verb == wExecute
}

// beginsAccount tells whether a literal begins with CREATE USER or ALTER USER.
func beginsAccount(literal []byte) bool {
	s := NewScanner(literal[1:], Options{})
	verb, object := s.Next(), s.Next()
	return (verb.Word == wCreate || verb.Word == wAlter) && object.Word == wUser
}

// operator takes punctuation.
func (w *watch) operator(t Token) {
	expect, held := w.expect, w.held
	w.expect, w.held, w.joins, w.bare = false, false, false, false
	switch t.Op {
	case ';':
		w.begin()
	case '=', OpAssign:
		w.assign(expect, t)
	case ':':
		w.expect = expect
	case '(':
		w.open(expect || held)
	case ')':
		w.close()
	case ',':
		w.comma()
	case '.':
		// schemaIsMySQL stays for the name to come
		return
	}
	w.schemaIsMySQL = false
}

// assign takes = or := .
func (w *watch) assign(expect bool, t Token) {
	w.option = w.setting == inAssign && w.prev.Kind != UserVar
	switch {
	case w.setPassword:
		w.expect, w.bare = true, w.depth == 0
	case w.prev.Kind == UserVar || w.prev.Kind == SysVar:
		name := bytes.Trim(w.text[w.prev.Start:w.prev.End], "@`'\" ")
		if isSecretVariable(name) && (w.setting == inAssign || t.Op == OpAssign) {
			w.value = w.setting == inAssign
			w.expect = true
		}
	case expect:
		w.value, w.expect = w.setting == inAssign, true
	case w.prev.Word == wConnection:
		w.connection = true
	}
}

// open takes an opening parenthesis, of secrets only if so told.
func (w *watch) open(secrets bool) {
	w.depth++
	if secrets && w.secretDepth == 0 {
		w.secretDepth = w.depth
	}
	if w.prev.Kind != Ident && w.prev.Kind != Quoted {
		return
	}
	name := trimQuotes(w.text[w.prev.Start:w.prev.End])
	args, ok := cryptoFunction(name)
	if !ok {
		return
	}
	if w.numCalls == maxCalls {
		w.all = true
		return
	}
	oracle := sameFold(name, []byte("decode"))
	w.calls[w.numCalls] = cryptoCall{args: args, depth: w.depth, arg: 1, oracle: oracle, marks: len(w.hidden)}
	w.numCalls++
}

func (w *watch) close() {
	if w.numCalls > 0 && w.calls[w.numCalls-1].depth == w.depth {
		w.numCalls--
	}
	if w.secretDepth == w.depth {
		w.secretDepth = 0
	}
	if w.depth > 0 {
		w.depth--
	}
}

func (w *watch) comma() {
	if w.numCalls > 0 && w.calls[w.numCalls-1].depth == w.depth {
		c := &w.calls[w.numCalls-1]
		c.arg++
		if c.oracle && c.arg == 3 && w.numCalls == 1 {
			w.hidden = w.hidden[:c.marks] // Oracle's DECODE(value, search, result)
		}
	}
	w.plugin, w.connection = false, false
	if w.depth == 0 {
		w.value, w.setPassword, w.option = false, false, false
	}
}
