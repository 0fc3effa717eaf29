package trace

import (
	"encoding/hex"
	"fmt"
	"strings"
	"testing"

	"myreplay/flow"
	"myreplay/xproto"
)

// canary is in every secret of the conversations below.
const canary = "CANARY"

// secretTalks are conversations with secrets in them. Where the scripts'
// authentication data have words of their own, those are canaries, too.
var secretTalks = map[string]struct {
	x    bool
	text string
}{
	"classic login": {false, `
S greeting
C login user=app schema=shop
S switch caching_sha2_password
C auth CANARY
S more CANARY-a-key
C auth CANARY
S ok
C changeuser user=other schema=shop
S switch mysql_native_password
C auth CANARY
S more CANARY
C auth CANARY
S ok`},
	"classic statements": {false, `
S greeting
C login user=app
S ok
C query CREATE USER u IDENTIFIED BY 'CANARY'
S err 1064 42000 syntax error near 'CANARY'
C query SHOW WARNINGS
S rows Level:varchar Message:varchar | Error near_'CANARY'
C query CREATE USER u IDENTIFED BY 'CANARY'
S err 1064 42000 syntax error near 'IDENTIFED BY 'CANARY''
C query SET PASSWORD = 'CANARY'
S ok info=CANARY trackschema=CANARY
C query SELECT PASSWORD('CANARY')
S rows PASSWORD('CANARY'):varchar | *CANARY
C query CHANGE MASTER TO MASTER_PASSWORD='CANARY'
S ok
C query SELECT * FROM mysql.user
S rows authentication_string:varchar | CANARY
C query SHOW CREATE USER app
S rows CREATE_USER:varchar | CANARY
C query SHOW FULL PROCESSLIST
S rows Info:varchar | CANARY
C query SHOW CREATE TABLE federated
S rows Create:varchar | CONNECTION='mysql://u:CANARY@host/db/t'
C query SELECT body FROM notes
S rows body:varchar | CREATE_USER/**/u/**/;ALTER/**/USER/**/u/**/IDENTIFIED/**/BY/**/'CANARY'`},
	"classic PREPARE in SQL": {false, `
S greeting
C login user=app
S ok
C query PREPARE s FROM 'ALTER USER u IDENTIFIED BY ?'
S ok
C query SET @p = 'CANARY'
S ok
C query EXECUTE s USING @p
S err 1396 HY000 failed for 'CANARY'
C query SELECT @p
S rows @p:varchar | CANARY
C query EXECUTE s USING 'CANARY'
S ok
C query PREPARE t FROM 'SELECT * FROM mysql.user'
S ok
C query EXECUTE t
S rows a:varchar | CANARY`},
	"classic prepared": {false, `
S greeting
C login user=app
S ok
C prepare SELECT AES_ENCRYPT(a, ?) FROM t
S prepared 1 1 AES_ENCRYPT(a,CANARY):varchar
C execute 1 CANARY
S rows AES_ENCRYPT(a,CANARY):varchar | CANARY
C longdata 1 0 CANARY
C execute 1 LONG
S err 1210 HY000 Incorrect arguments CANARY
C execute 1 cursor CANARY
S cursor CANARY:varchar
C fetch 1 10
S morerows CANARY
C close 1
C execute 1 CANARY
S err 1243 HY000 Unknown statement CANARY
C execute 99 CANARY
S rows a:varchar | CANARY
C prepare INSERT INTO notes VALUES (?)
S prepared 2 1
C execute 2 ALTER/**/USER/**/u/**/IDENTIFIED/**/BY/**/'CANARY'
S ok`},
	"classic other": {false, `
S greeting
C login user=app with=QUERY_ATTRIBUTES
S ok
C command 15 01 00 00 00 00 01 72 06 43 41 4e 41 52 59
S ok
C command 63 43 41 4e 41 52 59
S err 1047 08S01 Unknown command
C query load data local infile 'f' into table t
S file f
C data CANARY
C data
S ok
C command ` + hex.EncodeToString([]byte("\x03\x01\x01\x00\x01\xfd\x00\x01n\x06CANARYSET PASSWORD = mysql_query_attribute_string('n')")) + `
S ok
C query CREATE USER u IDENTIFIED BY 'CANARY'
C query SHOW WARNINGS
S err 1064 42000 near 'CANARY'
S raw 09 00 00 01 01 00 00 02 00 00 00 00 00`},
	"classic gaps": {false, `
S greeting
C login user=app
S ok
lost C query CREATE USER u IDENTIFIED BY 'CANARY'
S err 1064 42000 near 'CANARY'
lost:8-20 C query CREATE USER u IDENTIFIED BY 'CANARY'
S err 1064 42000 near 'CANARY'
lost C query PREPARE s FROM 'ALTER USER u IDENTIFIED BY ?'
S ok
C query SET @p = 'CANARY'
S ok
C query EXECUTE s USING @p
S err 1396 HY000 'CANARY'
C query SHOW WARNINGS
S rows a:varchar | CANARY`},
	"classic joined": {false, `
unseen S greeting
unseen C login user=app
unseen S ok
unseen C query CREATE USER u IDENTIFIED BY 'CANARY'
S err 1064 42000 near 'CANARY'
C execute 1 CANARY
S rows a:varchar | CANARY
C query SHOW WARNINGS
S rows a:varchar | CANARY
C query SET @p = 'CANARY'
S ok
C changeuser user=other schema=shop
S ok`},
	"x login": {true, `
S Notice hello
C CapabilitiesSet client.interactive=true
S Ok
C AuthenticateStart PLAIN shop app CANARY
S Error 1045 HY000 Invalid user or password
C AuthenticateStart MYSQL41
S AuthenticateContinue CANARY
C AuthenticateContinue shop app CANARY
S Error 1045 HY000 Invalid user or password
C AuthenticateStart plain shop app CANARY
S Error 1251 HY000 Invalid authentication method
C AuthenticateStart OTHER CANARY CANARY CANARY
S AuthenticateContinue CANARY
C bytes 0c 00 00 00 05 0a 09 43 41 4e 41 52 59 00 43 00
S AuthenticateOk CANARY`},
	"x statements": {true, `
S Notice hello
C AuthenticateStart PLAIN shop app CANARY
S AuthenticateOk
C StmtExecute CREATE USER u IDENTIFIED BY 'CANARY'
S Notice warning 1 near'CANARY'
S Notice state 10 CANARY
S Notice variable v CANARY
S Error 1064 42000 near 'CANARY'
C StmtExecute SHOW WARNINGS
S Column Message BYTES
S Row CANARY
S FetchDone
S StmtExecuteOk
C StmtExecute ALTER USER u IDENTIFIED BY ? | CANARY
S Error 1064 42000 near 'CANARY'
C StmtExecute SELECT PASSWORD('CANARY')
S Column PASSWORD('CANARY') BYTES
S Row CANARY
S FetchDone
S StmtExecuteOk
C StmtExecute SELECT * FROM mysql.user
S Column a BYTES
S Row CANARY
S FetchDone
S StmtExecuteOk
C Insert mysql.user CANARY
S Error 1 HY000 x
C Prepare 1 SELECT AES_ENCRYPT(a, ?) FROM t
S Ok
C Execute 1 CANARY
S Column AES_ENCRYPT(a,'CANARY') BYTES
S Row CANARY
S FetchDone
S StmtExecuteOk
C Cursor.Open 4 1 10 CANARY
S Column CANARY BYTES
S Row CANARY
S FetchSuspended
S StmtExecuteOk
C Fetch 4 10
S Row CANARY
S FetchDone
S StmtExecuteOk
C Fetch 5 10
S Row CANARY
S FetchDone
S StmtExecuteOk
C Execute 9 CANARY
S Error 5110 HY000 CANARY
C Type 99 43414e415259
S Error 1047 HY000 Unexpected
C StmtExecute PREPARE s FROM 'ALTER USER u IDENTIFIED BY ?'
S StmtExecuteOk
C StmtExecute SET @p = 'CANARY'
S StmtExecuteOk
C StmtExecute SELECT @p
S Column @p BYTES
S Row CANARY
S FetchDone
S StmtExecuteOk`},
	"x out of step": {true, `
S Notice hello
C AuthenticateStart PLAIN shop app CANARY
S AuthenticateOk
C StmtExecute CREATE USER u IDENTIFIED BY 'CANARY'
C StmtExecute SELECT 1
S Ok
S Error 1064 42000 near 'CANARY'
S Error 1064 42000 near 'CANARY'
S Error 1064 42000 near 'CANARY'`},
	"x gaps": {true, `
S Notice hello
C AuthenticateStart PLAIN shop app CANARY
S AuthenticateOk
C StmtExecute CREATE USER u IDENTIFIED BY 'CANARY'
lost C StmtExecute SELECT 2
C StmtExecute SELECT 3
S Error 1064 42000 near 'CANARY'
C StmtExecute SELECT 4
S Error 1064 42000 near ''
S Error 1064 42000 near ''
C StmtExecute SELECT 5
S Error 1064 42000 near ''
C StmtExecute CREATE USER u IDENTIFIED BY 'CANARY'
C StmtExecute SELECT 6
S Error 1064 42000 near ''
S Error 1064 42000 near 'CANARY'
lost:6-9 C StmtExecute CREATE USER u IDENTIFIED BY 'CANARY'
S Error 1064 42000 near 'CANARY'`},
	"x compressed": {true, `
S Notice hello
C CapabilitiesSet compression={algorithm:lz4_message}
S Ok
C pack lz4_message
C AuthenticateStart PLAIN shop app CANARY
C end
S AuthenticateOk
C pack lz4_message
C StmtExecute CREATE USER u IDENTIFIED BY 'CANARY'
lost:20-22 C end
S Error 1064 42000 near 'CANARY'
C StmtExecute SELECT 1
S pack lz4_message
S Error 1064 42000 near 'CANARY'
S end
S Error 1064 42000 near 'CANARY'`},
}

// TestSecrets: no secret is in any line or JSON, however the bytes come.
func TestSecrets(t *testing.T) {
	for name, talk := range secretTalks {
		t.Run(name, func(t *testing.T) {
			list, joined := conversation(t, talk.x, talk.text)
			checkSecrets(t, list, joined)
			// Of what the source did not see from the beginning nothing leaks either.
			for i := range list {
				checkSecrets(t, list[i:], true)
			}
			for i, p := range list {
				if len(p.data) == 0 {
					continue
				}
				lost := append([]piece(nil), list...)
				lost[i] = piece{kind: flow.Gap, side: p.side, lost: uint64(len(p.data))}
				checkSecrets(t, lost, joined)
			}
		})
	}
}

// hex of the canary, as it is shown of bytes that are no text.
var canaryHex = hex.EncodeToString([]byte(canary))

func checkSecrets(t *testing.T, list []piece, joined bool) {
	t.Helper()
	for _, max := range []int{0, 20, 100000} {
		for _, asJSON := range []bool{false, true} {
			for _, cut := range []func(int) int{whole, func(int) int { return 1 }} {
				o := Options{Detail: true, Connections: true, MaxValue: max}
				for _, line := range lines(t, o, list, joined, true, asJSON, cut) {
					for _, secret := range []string{canary, canaryHex, "secret-scramble", "nonce-of-20", "switched-nonce"} {
						if strings.Contains(line, secret) {
							t.Fatalf("%s in %s", secret, line)
						}
					}
				}
			}
		}
	}
}

// TestSecretsLong: a statement that is too long to be kept may hold a secret
// that is not seen; what the server says to it is left out.
func TestSecretsLong(t *testing.T) {
	long := strings.Repeat(" ", frameLimit)
	for _, x := range []bool{false, true} {
		text := "S greeting\nC login user=app\nS ok\nC query CREATE USER u " + long + " IDENTIFIED BY 'CANARY'\nS err 1064 42000 near 'CANARY'"
		if x {
			text = "S Notice hello\nC AuthenticateStart PLAIN a b CANARY\nS AuthenticateOk\nC StmtExecute CREATE USER u " + long + " IDENTIFIED BY 'CANARY'\nS Error 1064 42000 near 'CANARY'"
		}
		list, joined := conversation(t, x, text)
		checkSecrets(t, list, joined)
		names := named(t, list, false)
		if got, want := names[len(names)-1], "rver ER"; !strings.Contains(got, want) {
			t.Errorf("the error is named %q", got)
		}
	}
}

// TestLimits: what a connection holds is bounded, whatever the peers announce.
func TestLimits(t *testing.T) {
	tr := New(Options{Detail: true})
	conn := &flow.Conn{ID: 1}
	var got []string
	send := func(c flow.Chunk) {
		c.Conn = conn
		if err := tr.Chunk(&c, func(m *Message) error { got = append(got, string(m.AppendLine(nil, true))); return nil }); err != nil {
			t.Fatal(err)
		}
	}
	send(flow.Chunk{Kind: flow.Open})
	send(flow.Chunk{Kind: flow.Data, Side: flow.Server, Data: xproto.AppendFrame(nil, byte(xproto.Notice), nil)})
	const total = 40 << 20
	head := []byte{1, 0, 0, 0, byte(xproto.SQLStmtExecute)}
	head[0], head[1], head[2], head[3] = byte(total&0xff)+1, byte(total>>8&0xff), byte(total>>16&0xff), byte(total>>24)
	send(flow.Chunk{Kind: flow.Data, Side: flow.Client, Data: head})
	piece := make([]byte, 1<<20)
	for range total >> 20 {
		send(flow.Chunk{Kind: flow.Data, Side: flow.Client, Data: piece})
		if held := tr.conns[conn].reader.(*xConn).framer[flow.Client].Held(); held > 2*frameLimit {
			t.Fatalf("%d bytes are held", held)
		}
	}
	want := fmt.Sprintf("C: SQL_STMT_EXECUTE  %d B", total+5)
	if len(got) != 2 || !strings.HasSuffix(got[1], want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
