package target

import (
	"fmt"
	"sync"
	"testing"

	"myreplay/classic/classictest"
	"myreplay/internal/mysqltest"
	"myreplay/session"
)

// perBatch is how many commands BenchmarkBatch sends at once.
const perBatch = 16

// BenchmarkBatch is 16 commands one by one and in one batch, each per command.
func BenchmarkBatch(b *testing.B) {
	for _, kind := range []mysqltest.Kind{mysqltest.MariaDB, mysqltest.MySQL97} {
		db := mysqltest.Start(b, kind)
		for name, threads := range map[string]int{"poller": 0, "thread": 1} {
			c := benchConn(b, db, threads)
			list := make([]*session.Command, perBatch)
			for i := range list {
				list[i] = query("select 1")
			}
			b.Run(kind.String()+"/"+name+"/one", func(b *testing.B) {
				measure(b, 1, func() error { _, err := c.Do(list[0], nil); return err })
			})
			b.Run(kind.String()+"/"+name+"/batch", func(b *testing.B) {
				measure(b, perBatch, func() error { _, err := c.DoAll(list); return err })
			})
			c.Close()
		}
	}
}

// BenchmarkMany is 8 sessions at once, with and without threads of their own, one
// command at a time and 4.
func BenchmarkMany(b *testing.B) {
	const sessions = 8
	db := mysqltest.Start(b, mysqltest.MariaDB)
	for _, threads := range []int{0, 1, sessions} {
		for _, n := range []int{1, 4} {
			b.Run(fmt.Sprintf("threads%d/batch%d", threads, n), func(b *testing.B) {
				list := make([]*session.Command, n)
				for i := range list {
					list[i] = query("select 1")
				}
				s := realTarget(b, "mysql://"+db.Addr+"/", Options{Users: OneUser(db.User, db.Password)})
				s.options.Threads = threads
				var all sync.WaitGroup
				before := cpu(b)
				for range sessions {
					c, err := s.Connect(b.Context(), &session.Start{Login: session.Login{Known: true, Capabilities: uint64(classictest.DefaultCaps)}})
					if err != nil {
						b.Fatal(err)
					}
					all.Go(func() {
						defer c.Close()
						for range b.N {
							var err error
							if n == 1 {
								_, err = c.Do(list[0], nil)
							} else {
								_, err = c.DoAll(list)
							}
							if err != nil {
								b.Error(err)
								return
							}
						}
					})
				}
				all.Wait()
				each := float64(sessions * b.N * n)
				b.ReportMetric(float64(cpu(b)-before)/each, "cpu-ns/each")
				b.ReportMetric(each/b.Elapsed().Seconds(), "commands/s")
			})
		}
	}
}

// BenchmarkLogin is a short session: login, one query, goodbye. "first" takes up
// no TLS session again.
func BenchmarkLogin(b *testing.B) {
	for _, kind := range []mysqltest.Kind{mysqltest.MariaDB, mysqltest.MySQL97} {
		db := mysqltest.Start(b, kind)
		for _, how := range []string{"clear", "tls", "tls-first"} {
			b.Run(kind.String()+"/"+how, func(b *testing.B) {
				parameters := ""
				if how != "clear" {
					parameters = "?tls=verify-identity&ca=" + db.CA
				}
				s := realTarget(b, "mysql://"+db.Addr+"/"+parameters, Options{Users: OneUser(db.User, db.Password)})
				s.options.Threads = 0
				if how == "tls-first" {
					s.tls.ClientSessionCache = nil
				}
				q := query("select 1")
				measure(b, 1, func() error {
					c, err := s.Connect(b.Context(), &session.Start{})
					if err == nil {
						_, err = c.Do(q, nil)
						c.Close()
					}
					return err
				})
			})
		}
	}
}

// BenchmarkRestore is a login that gets a session's state back.
func BenchmarkRestore(b *testing.B) {
	db := mysqltest.Start(b, mysqltest.MySQL97)
	s := realTarget(b, "mysql://"+db.Addr+"/", Options{Users: OneUser(db.User, db.Password)})
	st := &session.State{Variables: []session.Variable{{Name: "autocommit", Value: "0", Number: true}, {Name: "sql_mode", Value: "ANSI"}},
		UserVariables: []session.Variable{{Name: "a", Value: "x"}}}
	for i := range 10 {
		st.Prepared = append(st.Prepared, session.PreparedState{Statement: uint32(i), SQL: []byte("select ?")})
	}
	measure(b, 1, func() error {
		c, err := s.Connect(b.Context(), &session.Start{State: st})
		if err == nil {
			c.Close()
		}
		return err
	})
}

func benchConn(b *testing.B, db *mysqltest.Server, threads int) *Conn {
	s := realTarget(b, "mysql://"+db.Addr+"/", Options{Users: OneUser(db.User, db.Password)})
	s.options.Threads = threads
	c, err := s.Connect(b.Context(), &session.Start{Login: session.Login{Known: true, Capabilities: uint64(classictest.DefaultCaps)}})
	if err != nil {
		b.Fatal(err)
	}
	return c
}

// measure runs f, which does n things at once, and reports the time and this
// process's CPU time of each.
func measure(b *testing.B, n int, f func() error) {
	b.Helper()
	b.ReportAllocs()
	before := cpu(b)
	for b.Loop() {
		if err := f(); err != nil {
			b.Fatal(err)
		}
	}
	all := float64(b.N * n)
	b.ReportMetric(float64(cpu(b)-before)/all, "cpu-ns/each")
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/all, "ns/each")
}
