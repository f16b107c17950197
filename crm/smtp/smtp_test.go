package smtp_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/crm/smtp"
)

func TestOptions(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]smtp.Options{
		"host":       {},
		"port":       {Host: "a", Port: 70_000},
		"tls":        {Host: "smtp.example.com", TLS: smtp.NoTLS, Username: "crm", Password: "secret"},
		"username":   {Host: "a", Password: "secret"},
		"local_name": {Host: "a", LocalName: "me\r\nMAIL"},
		"timeout":    {Host: "a", Keep: -1},
	} {
		_, err := smtp.New(o)
		assert.ErrorIs(t, err, crm.ErrInvalid, name)
		assert.ErrorContains(t, err, name)
	}
}

func TestTraits(t *testing.T) {
	t.Parallel()
	c := (&server{}).start(t).channel(t, nil)
	assert.Equal(t, crm.ChannelTraits{Kind: crm.AddressEmail, Subject: true, HTML: true, Attachments: true}, c.Traits())
}
