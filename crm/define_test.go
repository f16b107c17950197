package crm_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/storage/sqlite"
)

// TestStructsThatCannotBeKept are refused where they are defined, naming the field.
func TestStructsThatCannotBeKept(t *testing.T) {
	t.Parallel()
	refuses := func(says string, define func(c *crm.Core) error) {
		t.Helper()
		store, err := sqlite.Open("sqlite", ":memory:")
		require.NoError(t, err)
		defer func() { require.NoError(t, store.Close()) }()
		c, err := crm.New(store, crm.Config{})
		require.NoError(t, err)
		err = define(c)
		if err == nil {
			err = c.Migrate(t.Context())
		}
		require.ErrorIs(t, err, crm.ErrInvalid)
		require.ErrorContains(t, err, says)
	}
	refuses("does not embed", func(c *crm.Core) error {
		_, err := crm.Define(c, crm.Object[struct {
			Name string `json:"name"`
		}]{Name: "x"})
		return err
	})
	type odd struct {
		crm.Record

		Rate float64 `json:"rate"`
	}
	refuses("Rate", func(c *crm.Core) error { _, err := crm.Define(c, crm.Object[odd]{Name: "x"}); return err })
	type word struct {
		crm.Record

		Name string `crm:"requird" json:"name"`
	}
	refuses(`"requird"`, func(c *crm.Core) error { _, err := crm.Define(c, crm.Object[word]{Name: "x"}); return err })
	type unnamed struct {
		crm.Record

		Name string
	}
	refuses("Name", func(c *crm.Core) error { _, err := crm.Define(c, crm.Object[unnamed]{Name: "x"}); return err })
	type twice struct {
		crm.Record

		Name string `json:"version"`
	}
	refuses("version", func(c *crm.Core) error { _, err := crm.Define(c, crm.Object[twice]{Name: "x"}); return err })
	type secret struct {
		crm.Record

		Number string `crm:"protected,unique" json:"number"`
	}
	refuses("Config.Cipher", func(c *crm.Core) error { _, err := crm.Define(c, crm.Object[secret]{Name: "x"}); return err })
	type amount struct {
		crm.Record

		Amount crm.Money `crm:"protected" json:"amount"`
	}
	refuses("protected is for text", func(c *crm.Core) error { _, err := crm.Define(c, crm.Object[amount]{Name: "x"}); return err })
	type sorted struct {
		crm.Record

		Number string `crm:"protected,sort" json:"number"`
	}
	refuses("neither folded, sorted, searched", func(c *crm.Core) error { _, err := crm.Define(c, crm.Object[sorted]{Name: "x"}); return err })
	refuses("protected is for text of records", func(c *crm.Core) error {
		_, err := crm.DefineLedger[struct {
			Key    string `json:"key"`
			Number string `crm:"protected" json:"number"`
		}](c, crm.LedgerOf[struct {
			Key    string `json:"key"`
			Number string `crm:"protected" json:"number"`
		}]{Name: "x", Key: []string{"key"}})
		return err
	})
	type ref struct {
		crm.Record

		OwlID crm.ID `crm:"ref=owl" json:"owl_id"`
	}
	refuses(`"owl"`, func(c *crm.Core) error { _, err := crm.Define(c, crm.Object[ref]{Name: "x"}); return err })
	type loose struct {
		crm.Record

		MemberID crm.ID `crm:"ref=member,within=pipeline_id" json:"member_id"`
	}
	refuses("within= names a reference that x and member both have", func(c *crm.Core) error { _, err := crm.Define(c, crm.Object[loose]{Name: "x"}); return err })
	type astray struct {
		crm.Record

		Name string `crm:"within=pipeline_id" json:"name"`
	}
	refuses("within= are for references", func(c *crm.Core) error { _, err := crm.Define(c, crm.Object[astray]{Name: "x"}); return err })
	refuses("lower-case", func(c *crm.Core) error { _, err := crm.Define(c, crm.Object[ref]{Name: "X y"}); return err })
	type plain struct {
		crm.Record

		Name string `json:"name"`
	}
	refuses("already", func(c *crm.Core) error {
		_, err := crm.Define(c, crm.Object[plain]{Name: "x"})
		require.NoError(t, err)
		_, err = crm.Define(c, crm.Object[plain]{Name: "x"})
		return err
	})
}
