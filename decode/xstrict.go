package decode

import (
	"strconv"
	"strings"

	"google.golang.org/protobuf/encoding/protowire"

	"myreplay/xproto"
)

// xBodies has the fields of the messages, one message a line: numbers, marked
// "!" where the field must be there and "*" where it may repeat, and types: v
// varint, b bytes or text, d double, f float, or the name of a message.
const xBodies = `
Empty
Ok 1b
Error 1v 2!v 3!b 4!b
Capability 1!b 2!Any
Capabilities 1*Capability
Reset 1v
StmtExecute 1!b 2*Any 3b 4v
Any 1!v 2Scalar 3Object 4Array
Scalar 1!v 2v 3v 5Octets 6d 7f 8v 9String
String 1!b 2v
Octets 1!b 2v
Object 1*ObjectField
ObjectField 1!b 2!Any
Array 1*Any
Notice 1!v 2v 3b
AuthData 1b
Column 1!v 2b 3b 4b 5b 6b 7b 8v 9v 10v 11v 12v
Row 1*b
ExpectOpen 1v 2*Condition
Condition 1!v 2b 3v
Prepare 1!v 2!Prepared
Prepared 1!v 2Find 3Insert 4Update 5Delete 6StmtExecute
Execute 1!v 2*Any 3v
Id 1!v
CursorOpen 1!v 4!CursorStatement 5v
CursorStatement 1!v 2Execute
CursorFetch 1!v 5v
Find 2!Collection 3v 4*Projection 5Expr 6Limit 7*Order 8*Expr 9Expr 11*Scalar 12v 13v 14LimitExpr
Insert 1!Collection 2v 3*ColumnName 4*InsertRow 5*Scalar 6v
InsertRow 1*Expr
Update 2!Collection 3v 4Expr 5Limit 6*Order 7*Operation 8*Scalar 9LimitExpr
Delete 1!Collection 2v 3Expr 4Limit 5*Order 6*Scalar 7LimitExpr
Collection 1!b 2b
ColumnName 1b 2b 3*PathItem
Projection 1!Expr 2b
Limit 1!v 2v
LimitExpr 1!Expr 2Expr
Order 1!Expr 2v
Operation 1!ColumnIdentifier 2!v 3Expr
CreateView 1!Collection 2b 3v 4v 5v 6*b 7!Find 8v
ModifyView 1!Collection 2b 3v 4v 5v 6*b 7Find
DropView 1!Collection 2v
Expr 1!v 2ColumnIdentifier 3b 4Scalar 5FunctionCall 6Operator 7v 8ExprObject 9ExprArray
ColumnIdentifier 1*PathItem 2b 3b 4b
Identifier 1!b 2b
PathItem 1!v 2b 3v
FunctionCall 1!Identifier 2*Expr
Operator 1!b 2*Expr
ExprObject 1*ExprField
ExprField 1!b 2!Expr
ExprArray 1*Expr
`

// xBody is the fields of a message by their number.
type xBody map[protowire.Number]xField

type xField struct {
	kind       protowire.Type
	need, many bool
	body       xBody // of a field that is a message
}

// bodies are those of xBodies by their name.
var bodies = parseBodies(xBodies)

// clientBodies and serverBodies are the bodies of the messages that a search may
// take. Those of a client's login are not among them: they change what follows in
// ways that only its beginning tells.
var (
	clientBodies = map[xproto.ClientMessage]xBody{
		xproto.ConClose: bodies["Empty"], xproto.SessReset: bodies["Reset"],
		xproto.SessClose: bodies["Empty"], xproto.SQLStmtExecute: bodies["StmtExecute"], xproto.CrudFind: bodies["Find"],
		xproto.CrudInsert: bodies["Insert"], xproto.CrudUpdate: bodies["Update"], xproto.CrudDelete: bodies["Delete"],
		xproto.ExpectOpen: bodies["ExpectOpen"], xproto.ExpectClose: bodies["Empty"], xproto.CrudCreateView: bodies["CreateView"],
		xproto.CrudModifyView: bodies["ModifyView"], xproto.CrudDropView: bodies["DropView"], xproto.PreparePrepare: bodies["Prepare"],
		xproto.PrepareExecute: bodies["Execute"], xproto.PrepareDeallocate: bodies["Id"], xproto.CursorOpen: bodies["CursorOpen"],
		xproto.CursorClose: bodies["Id"], xproto.CursorFetch: bodies["CursorFetch"],
	}
	serverBodies = map[xproto.ServerMessage]xBody{
		xproto.OK: bodies["Ok"], xproto.ServerError: bodies["Error"], xproto.ConnCapabilities: bodies["Capabilities"],
		xproto.AuthenticateContinue: bodies["AuthData"], xproto.AuthenticateOK: bodies["AuthData"], xproto.Notice: bodies["Notice"],
		xproto.ResultsetColumnMetaData: bodies["Column"], xproto.ResultsetRow: bodies["Row"], xproto.ResultsetFetchDone: bodies["Empty"],
		xproto.ResultsetFetchSuspended: bodies["Empty"], xproto.ResultsetMoreResultsets: bodies["Empty"],
		xproto.StmtExecuteOK: bodies["Empty"], xproto.ResultsetMoreOutParams: bodies["Empty"],
	}
)

func parseBodies(text string) map[string]xBody {
	all := map[string]xBody{}
	lines := strings.Split(strings.TrimSpace(text), "\n")
	for _, line := range lines {
		name, _, _ := strings.Cut(line, " ")
		all[name] = xBody{}
	}
	for _, line := range lines {
		words := strings.Fields(line)
		for _, w := range words[1:] {
			n := strings.IndexFunc(w, func(r rune) bool { return r < '0' || r > '9' })
			num, _ := strconv.Atoi(w[:n])
			f := xField{need: w[n] == '!', many: w[n] == '*'}
			f.kind, f.body = typeNamed(strings.TrimLeft(w[n:], "!*"), all)
			all[words[0]][protowire.Number(num)] = f
		}
	}
	return all
}

func typeNamed(name string, all map[string]xBody) (protowire.Type, xBody) {
	switch name {
	case "v":
		return protowire.VarintType, nil
	case "d":
		return protowire.Fixed64Type, nil
	case "f":
		return protowire.Fixed32Type, nil
	case "b":
		return protowire.BytesType, nil
	}
	return protowire.BytesType, all[name]
}

// maxNested is how deep messages may lie in each other: a level of an expression
// takes three.
const maxNested = 300

// strict tells whether b reads from end to end as a message with the fields of
// body; more tells that others may be there, too.
func strict(body xBody, b []byte, more bool) bool {
	return body != nil && strictly(body, b, more, maxNested)
}

func strictly(body xBody, b []byte, more bool, depth int) bool {
	if depth == 0 {
		return false
	}
	var seen uint64
	for len(b) > 0 {
		num, kind, n := protowire.ConsumeTag(b)
		if n < 0 {
			return false
		}
		b = b[n:]
		if n = protowire.ConsumeFieldValue(num, kind, b); n < 0 {
			return false
		}
		value := b[:n]
		b = b[n:]
		f, known := body[num]
		if !known {
			if !more {
				return false
			}
			continue
		}
		if f.kind != kind || !f.many && seen&(1<<num) != 0 {
			return false
		}
		seen |= 1 << num
		if f.body != nil {
			inner, _ := protowire.ConsumeBytes(value)
			if !strictly(f.body, inner, more, depth-1) {
				return false
			}
		}
	}
	for num, f := range body {
		if f.need && seen&(1<<num) == 0 {
			return false
		}
	}
	return true
}
