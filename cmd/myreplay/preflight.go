package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"

	"myreplay/session"
)

// preflight logs in once on each target as the one user does, so that a mirror
// does not begin that can't work. With other accounts than one, or none, it does
// nothing. A target that can't be reached is no error: remark says so, and sessions
// wait for it.
func (r routes) preflight(ctx context.Context, one bool, remark func(string)) error {
	if !one {
		return nil
	}
	for _, route := range r {
		for _, u := range route.urls {
			c, err := route.to.Connect(ctx, &session.Start{Protocol: u.Protocol, Login: session.Login{Known: true, Schema: u.Schema}})
			switch {
			case err == nil:
				_ = c.Close() // nothing was done on it
			case temporary(err) && !isTLS(err):
				remark(fmt.Sprintf("the target %s can't be reached yet: %v; sessions wait for it", u, err))
			default:
				return withTLSHint(fmt.Errorf("the target %s: %w", u, err))
			}
		}
	}
	return nil
}

// isTLS tells whether an error is about the target's certificate.
func isTLS(err error) bool {
	var authority x509.UnknownAuthorityError
	var name x509.HostnameError
	var invalid x509.CertificateInvalidError
	var verification *tls.CertificateVerificationError
	return errors.As(err, &authority) || errors.As(err, &name) || errors.As(err, &invalid) || errors.As(err, &verification)
}

// withTLSHint adds to an error about a certificate what may be done.
func withTLSHint(err error) error {
	if !isTLS(err) {
		return err
	}
	return fmt.Errorf("%w; name the certificates that may have signed it (--target-ca FILE, or ?ca=FILE in the URL), "+
		"or do without the proof: --target-tls required, or ?tls=required", err)
}

// oneUser tells whether one user logs in for all.
func (a *targetArgs) oneUser() bool { return a.credentials == "" && a.auth == "" }
