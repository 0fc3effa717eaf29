package target

import (
	"errors"
	"fmt"
	"io"
)

// Users tells who logs in on the target for a recorded user. The zero Users has
// nobody.
type Users struct {
	byName map[string]account
	others *account // everybody who is not in byName
	any    bool
}

// account is who logs in; the user "" stands for the recorded name.
type account struct{ user, password string }

// OneUser lets the same user log in for everybody.
func OneUser(user, password string) Users { return Users{others: &account{user, password}} }

// AnyUser is for a target that lets everybody in (--skip-grant-tables): the
// recorded names, without passwords. CHANGE_USER becomes a new connection,
// because it crashes such a MySQL 9.7.
func AnyUser() Users { return Users{others: &account{}, any: true} }

// Any tells whether the Users come from AnyUser.
func (u *Users) Any() bool { return u.any }

// maxCredentials limits the users in a credentials file.
const maxCredentials = 100_000

// ParseCredentials reads who logs in for whom. The file is written as MySQL's
// option files are; each group is a recorded user, and [*] is everybody else:
//
//	[app]
//	password = "s3cret"
//
//	[reporting]
//	user     = reporting_test
//	password = other
//
//	[*]
//	user     = replay
//	password = third
//
// Without user= the recorded name is used, without password= none.
func ParseCredentials(r io.Reader) (Users, error) {
	groups, err := ReadOptionFile(r)
	if err != nil {
		return Users{}, fmt.Errorf("credentials: %w", err)
	}
	if len(groups) == 0 {
		return Users{}, errors.New("credentials: no user: write a group for each, [name] and password=... under it")
	}
	if len(groups) > maxCredentials {
		return Users{}, fmt.Errorf("credentials: more than %d users", maxCredentials)
	}
	u := Users{byName: make(map[string]account, len(groups))}
	for _, g := range groups {
		if err := u.add(g); err != nil {
			return Users{}, fmt.Errorf("credentials: line %d: [%s]: %w", g.Line, g.Name, err)
		}
	}
	return u, nil
}

func (u *Users) add(g OptionGroup) error {
	var a account
	for _, o := range g.Options {
		switch o.Name {
		case "user":
			a.user = o.Value
		case "password":
			a.password = o.Value
		default:
			return fmt.Errorf("line %d: no option %q here: there are user and password", o.Line, o.Name)
		}
	}
	if g.Name == "*" {
		if u.others != nil {
			return errors.New("it is there twice")
		}
		u.others = &a
		return nil
	}
	if _, twice := u.byName[g.Name]; twice {
		return errors.New("it is there twice")
	}
	u.byName[g.Name] = a
	return nil
}

// account returns who logs in for a recorded user.
func (u *Users) account(recorded string) (account, error) {
	a, ok := u.byName[recorded]
	if !ok {
		if u.others == nil {
			return account{}, ErrNoCredentials
		}
		a = *u.others
	}
	if a.user == "" {
		a.user = recorded
	}
	return a, nil
}
