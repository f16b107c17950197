package main

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestSidesWorkTheSame has both sides do what is due, and looks at what they leave: nothing to be done, all in the log and
// in the history of processes, and everybody at the end of the log.
func TestSidesWorkTheSame(t *testing.T) {
	t.Parallel()
	for _, engine := range []string{"sqlite", "postgres"} {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			w, err := openCRM(t.Context(), engine, 10*tenants*pageSize)
			if errors.Is(err, errAbsent) {
				t.Skip(err)
			}
			require.NoError(t, err)
			defer w.close()
			for name, of := range map[string]struct {
				ready func(context.Context, *crmWorld, int) (func(crmSide, int) error, error)
				left  work
			}{
				"deliver": {crmDeliver, work{Customers: items, Logged: items}},
				"finish":  {crmFinish, work{}},
				"move":    {crmMove, work{Customers: instances, Done: instances, Visits: steps * instances}},
			} {
				for i, s := range []crmSide{w.ours, w.base} {
					do, err := of.ready(t.Context(), w, 1)
					require.NoError(t, err)
					require.NoError(t, do(s, 0), "%s by side %d", name, i)
					require.Equal(t, of.left, w.left(t), "%s by side %d", name, i)
				}
			}
		})
	}
}

// work is what is in the tenant whose work is measured.
type work struct{ Customers, Announced, Logged, Jobs, Behind, Done, Visits int }

func (w *crmWorld) left(t *testing.T) (left work) {
	t.Helper()
	for text, into := range map[string]*int{
		"{customer} WHERE tenant = ?": &left.Customers, "{outbox} WHERE tenant = ?": &left.Announced,
		"{event_log} WHERE tenant = ?": &left.Logged, "{job} WHERE tenant = ?": &left.Jobs,
		"{subscription} AS s JOIN {log_head} AS h ON h.tenant = s.tenant WHERE s.tenant = ? AND (s.position <> h.position OR s.due IS NOT NULL)": &left.Behind,
		"{process_instance} WHERE tenant = ? AND state = 'done' AND due IS NULL":                                                                 &left.Done,
		"{process_visit} WHERE tenant = ? AND took >= 0 AND actor = 'system'":                                                                    &left.Visits,
	} {
		require.NoError(t, w.db.QueryRowContext(t.Context(), w.sql("SELECT count(*) FROM "+text), bulk).Scan(into))
	}
	return left
}
