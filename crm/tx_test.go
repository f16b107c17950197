package crm_test

import (
	"context"
	"database/sql"
	"errors"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/internal/enginetest"
)

// TestAHostsRowsShareTheFateOfRecords cancels calls in a host's transaction at any
// moment, and holds the host's row and the CRM's records to one fate.
func TestAHostsRowsShareTheFateOfRecords(t *testing.T) {
	t.Parallel()
	enginetest.Each(t, func(t *testing.T, e enginetest.Engine) {
		s := newShop(t, e.Store, crm.Config{})
		ctx := as(t, "dana")
		_, err := e.DB.ExecContext(ctx, "CREATE TABLE host_order (id TEXT PRIMARY KEY)")
		require.NoError(t, err)
		insert := "INSERT INTO host_order VALUES (?)"
		if e.Name == "postgres" {
			insert = "INSERT INTO host_order VALUES ($1)"
		}
		c := s.company(t, ctx, "Customer")
		var kept, gone int
		dice := rand.New(rand.NewPCG(1, 2))
		for n := range rounds(60, 300) {
			id := crm.ID{byte(kept), byte(gone), 1}
			limit := time.Duration(dice.IntN(4000)) * time.Microsecond
			switch n % 4 { // however quick or slow the machine, some are kept and some are not
			case 0:
				limit = time.Hour
			case 1:
				limit = 0
			}
			limited, cancel := context.WithTimeout(ctx, limit)
			tx, err := e.DB.BeginTx(ctx, nil)
			require.NoError(t, err)
			_, err = tx.ExecContext(ctx, insert, id.String())
			require.NoError(t, err)
			err = sell(limited, s, tx, deal{Record: crm.Record{ID: id}, Name: "Deal", CompanyID: c.ID})
			cancel()
			if err == nil {
				require.NoError(t, tx.Commit())
				kept++
			} else {
				require.True(t, errors.Is(err, context.DeadlineExceeded) || errors.Is(err, crm.ErrTxLost), "%v", err)
				require.NoError(t, tx.Rollback())
				gone++
			}
			var orders int
			require.NoError(t, e.DB.QueryRowContext(ctx, "SELECT count(*) FROM host_order").Scan(&orders))
			deals, err := s.deals.Count(ctx)
			require.NoError(t, err)
			require.Equal(t, [2]int{kept, kept}, [2]int{orders, int(deals)})
		}
		require.NotZero(t, kept)
		require.NotZero(t, gone)
		s.whole(t)
	})
}

func sell(ctx context.Context, s *shop, tx *sql.Tx, d deal) error {
	joined, err := s.Join(ctx, tx)
	if err != nil {
		return err
	}
	if _, err = s.deals.Create(joined, d); err != nil {
		return err
	}
	_, err = s.deals.Update(joined, d.ID, func(d *deal) error { d.Amount = crm.EUR(100); return nil })
	if err != nil {
		return err
	}
	_, err = s.deals.Do(joined, d.ID, "won", func(d *deal) error { d.Stage = "won"; return nil })
	return err
}

func TestFinishedTransactionsAreRefused(t *testing.T) {
	t.Parallel()
	enginetest.Each(t, func(t *testing.T, e enginetest.Engine) {
		s := newShop(t, e.Store, crm.Config{})
		ctx := as(t, "dana")
		tx, err := e.DB.BeginTx(ctx, nil)
		require.NoError(t, err)
		joined, err := s.Join(ctx, tx)
		require.NoError(t, err)
		require.NoError(t, tx.Commit())
		_, err = s.companies.Create(joined, company{Name: "Late"})
		require.ErrorContains(t, err, "finished")
		_, err = s.Join(ctx, tx)
		require.ErrorContains(t, err, "finished")

		var escaped context.Context
		require.NoError(t, s.Tx(ctx, func(ctx context.Context) error {
			escaped = ctx //nolint:fatcontext // what must not be done
			return nil
		}))
		_, err = s.companies.Create(escaped, company{Name: "Late"})
		require.ErrorContains(t, err, "finished")
	})
}

// rounds is how often a test tries: a few times in short runs.
func rounds(short, long int) int {
	if testing.Short() {
		return short
	}
	return long
}
