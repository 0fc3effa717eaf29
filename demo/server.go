package main

import (
	"context"
	"fmt"
	"net"

	sqle "github.com/dolthub/go-mysql-server"
	"github.com/dolthub/go-mysql-server/memory"
	"github.com/dolthub/go-mysql-server/server"
	"github.com/dolthub/go-mysql-server/sql"
	"github.com/sirupsen/logrus"
)

// The sizes of the tables.
const (
	customers = clients * own
	orders    = 4000
)

// The two states of the data.
type state int

const (
	asItWas state = iota
	changed       // one row differs, one unique index is missing
)

// embedded is a throwaway server on loopback.
type embedded struct {
	*server.Server
	addr string
}

func freeAddr() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}

// startServer starts a server with a small shop in it.
func startServer(s state) (*embedded, error) {
	logrus.SetLevel(logrus.PanicLevel)
	addr, err := freeAddr()
	if err != nil {
		return nil, err
	}
	provider := memory.NewDBProvider(memory.NewDatabase("shop"))
	engine := sqle.NewDefault(provider)
	if err := fill(engine, provider, s); err != nil {
		return nil, err
	}
	srv, err := server.NewServer(server.Config{Protocol: "tcp", Address: addr}, engine, sql.NewContext, memory.NewSessionBuilder(provider), nil)
	if err != nil {
		return nil, err
	}
	go srv.Start()
	return &embedded{srv, addr}, nil
}

func fill(engine *sqle.Engine, provider *memory.DbProvider, s state) error {
	session := memory.NewSession(sql.NewBaseSession(), provider)
	ctx := sql.NewContext(context.Background(), sql.WithSession(session))
	ctx.SetCurrentDatabase("shop")
	statements := []string{
		"create table customers (id int primary key, email varchar(40), name varchar(40), credit int)",
		"create table orders (id int primary key, customer int, item varchar(40), amount int)",
	}
	for n := range clients {
		statements = append(statements, fmt.Sprintf("create table visits%d (id int primary key, customer int)", n))
	}
	if s == asItWas {
		statements = append(statements, "create unique index by_email on customers (email)")
	}
	insert := "insert into customers values "
	for i := 1; i <= customers; i++ {
		credit := 100 * i
		if s == changed && i == 42 {
			credit = 9999
		}
		insert += fmt.Sprintf("(%d,'c%d@example.com','customer %d',%d),", i, i, i, credit)
	}
	statements = append(statements, insert[:len(insert)-1])
	for from := 0; from < orders; from += 500 {
		insert = "insert into orders values "
		for i := from; i < from+500; i++ {
			insert += fmt.Sprintf("(%d,%d,'item %d',%d),", i, 1+i%customers, i%37, i%9+1)
		}
		statements = append(statements, insert[:len(insert)-1])
	}
	for _, q := range statements {
		_, rows, _, err := engine.Query(ctx, q)
		if err != nil {
			return fmt.Errorf("%.60s: %w", q, err)
		}
		if _, err := sql.RowIterToRows(ctx, rows); err != nil {
			return fmt.Errorf("%.60s: %w", q, err)
		}
	}
	return nil
}
