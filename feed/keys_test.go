package feed

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"net"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestKeys: each half is read back as what it is, and serves one side only.
func TestKeys(t *testing.T) {
	ak, mk := pair(t)
	if !ak.Assistant() || mk.Assistant() {
		t.Fatal("the roles are mixed up")
	}
	if y := time.Until(ak.Expires()).Hours() / 24 / 365; y < 9.9 || y > 10.1 {
		t.Fatalf("the keys expire in %.1f years", y)
	}
	if _, err := Listen(ListenOptions{Addr: "127.0.0.1:0", Keys: mk}); err == nil || !strings.Contains(err.Error(), "other file") {
		t.Fatal(err)
	}
	if _, err := NewClient(Options{Keys: ak}); err == nil || !strings.Contains(err.Error(), "other file") {
		t.Fatal(err)
	}
	if _, err := NewClient(Options{}); err == nil || !strings.Contains(err.Error(), "myreplay pair") {
		t.Fatal(err)
	}
}

// TestBadKeyFiles: what is no key file is refused, and says so.
func TestBadKeyFiles(t *testing.T) {
	a, m, err := NewPair()
	if err != nil {
		t.Fatal(err)
	}
	cut := func(b []byte, n int) [][]byte { // the n-th PEM block and the rest
		for range n {
			b = b[bytes.Index(b[1:], []byte("-----BEGIN"))+1:]
		}
		return [][]byte{b}
	}
	for name, file := range map[string][]byte{
		"empty": nil, "text": []byte("hello"), "no key": cut(a, 1)[0], "half": a[:len(a)/2], "both": append(a, m...),
		"another's key": append(m[:bytes.Index(m, []byte("-----BEGIN CERT"))], cut(a, 1)[0]...),
		"twice itself":  append(a[:bytes.LastIndex(a, []byte("-----BEGIN CERT"))], cut(m, 2)[0]...),
		"large":         bytes.Repeat([]byte("x"), maxKeyFile+1),
	} {
		switch k, err := LoadKeys(bytes.Clone(file)); {
		case name == "twice itself" && err == nil: // it is the assistant's own file again
			if !k.Assistant() {
				t.Fatal(name)
			}
		case err == nil || !strings.Contains(err.Error(), "myreplay pair"):
			t.Errorf("%s: %v", name, err)
		}
	}
}

// FuzzKeys: no key file makes trouble.
func FuzzKeys(f *testing.F) {
	a, m, _ := NewPair()
	f.Add(a)
	f.Add(m)
	f.Fuzz(func(t *testing.T, file []byte) {
		if k, err := LoadKeys(file); err == nil && (k.forRole(k.Assistant()) != nil || k.Expires().IsZero()) {
			t.Fatal("keys without a role")
		}
	})
}

// troubles collects what a Listener is told of.
type troubles struct {
	mu   sync.Mutex
	list []string
}

func (x *troubles) note(_ string, err error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.list = append(x.list, err.Error())
}

// wait waits for a trouble with the given words.
func (x *troubles) wait(t *testing.T, words string) {
	t.Helper()
	for range 3000 {
		x.mu.Lock()
		for _, s := range x.list {
			if strings.Contains(s, words) {
				x.list = nil
				x.mu.Unlock()
				return
			}
		}
		x.mu.Unlock()
		time.Sleep(time.Millisecond)
	}
	t.Fatalf("nobody was told of %q, but of %q", words, x.list)
}

// TestWrongKeys: keys of another pair, and keys out of their time, are refused
// on both sides with what to do.
func TestWrongKeys(t *testing.T) {
	noLeaks(t)
	ak, mk := pair(t)
	other, otherMirror := pair(t)
	shifted := func(k *Keys, years int) *Keys {
		c := *k
		c.now = func() time.Time { return time.Now().AddDate(years, 0, 0) }
		return &c
	}
	// Each side alone finds the other's key wrong: half of the files were copied.
	halfMirror := &Keys{own: otherMirror.own, peer: mk.peer, now: time.Now}
	for name, c := range map[string]struct {
		assistant, mirror *Keys
		client, server    string // what they say
	}{
		"another pair":          {other, mk, "keys of different pairs", "keys of different pairs"},
		"another mirror":        {ak, halfMirror, "keys of different pairs", "keys of different pairs"},
		"expired for both":      {shifted(ak, 11), shifted(mk, 11), "expired on", "or it expired"},
		"expired for assistant": {shifted(ak, 11), mk, "or it expired", "expired on"},
		"not yet":               {ak, shifted(mk, -1), "begin to serve on", "refused our key"},
	} {
		x := &troubles{}
		l := listen(t, ListenOptions{Keys: c.assistant, Trouble: x.note})
		_, err := Dial(context.Background(), Options{Addr: l.Addr().String(), Keys: c.mirror})
		if err == nil || !strings.Contains(err.Error(), c.client) {
			t.Errorf("%s: the mirror says %v", name, err)
		}
		if strings.Contains(c.client, "different") && !errors.Is(err, ErrKeys) {
			t.Errorf("%s: %v is not ErrKeys", name, err)
		}
		x.wait(t, c.server)
		l.Close()
	}
}

// TestStrangers: whoever is no mirror gets nothing and harms nobody.
func TestStrangers(t *testing.T) {
	noLeaks(t)
	ak, mk := pair(t)
	_, stranger := pair(t)
	x := &troubles{}
	l := listen(t, ListenOptions{Keys: ak, Trouble: x.note})
	addr := l.Addr().String()
	for name, c := range map[string]struct {
		config *tls.Config
		want   string
	}{
		"no certificate":  {&tls.Config{InsecureSkipVerify: true}, "didn't provide a certificate"},
		"TLS 1.2":         {&tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS12}, "TLS handshake"},
		"its own key":     {&tls.Config{InsecureSkipVerify: true, Certificates: []tls.Certificate{stranger.own}}, "keys of different pairs"},
		"our certificate": {&tls.Config{InsecureSkipVerify: true, Certificates: []tls.Certificate{{Certificate: mk.own.Certificate, PrivateKey: stranger.own.PrivateKey}}}, "TLS handshake"},
		"ours with more":  {&tls.Config{InsecureSkipVerify: true, Certificates: []tls.Certificate{{Certificate: [][]byte{mk.own.Certificate[0], ak.own.Certificate[0]}, PrivateKey: mk.own.PrivateKey}}}, "keys of different pairs"},
	} {
		conn, err := tls.Dial("tcp", addr, c.config)
		if err == nil {
			if _, err = conn.Read(make([]byte, 1)); err == nil {
				t.Errorf("%s: was let in", name)
			}
			conn.Close()
		}
		x.wait(t, c.want)
	}
	for _, s := range []string{"GET / HTTP/1.1\r\n\r\n", "\x00\x00\x00\x00", strings.Repeat("\x16\x03\x01\x40\x00", 9000), "", "J\x00\x00\x00\x0a8.0.36"} {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		conn.Write([]byte(s))
		conn.Close()
	}
	// A crowd that says nothing keeps no mirror out.
	for range 3 * maxPending {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
	}
	c, err := NewClient(Options{Addr: addr, Keys: mk})
	if err != nil {
		t.Fatal(err)
	}
	finish(t, c, accept(t, l, nil))
}

// TestNotAnAssistant: a mirror that was given another server's address says so.
func TestNotAnAssistant(t *testing.T) {
	noLeaks(t)
	_, mk := pair(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			conn.Write([]byte("J\x00\x00\x00\x0a8.0.36\x00 and more"))
			defer conn.Close()
		}
	}()
	_, err = Dial(context.Background(), Options{Addr: l.Addr().String(), Keys: mk})
	if err == nil || !strings.Contains(err.Error(), "does not answer as an assistant") {
		t.Fatal(err)
	}
}
