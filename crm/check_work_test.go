package crm_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/internal/enginetest"
)

// TestCheckFindsWhatWouldNotBeDelivered damages the tables of the background work, one
// after the other.
func TestCheckFindsWhatWouldNotBeDelivered(t *testing.T) {
	t.Parallel()
	for damage, want := range map[string]string{
		"DELETE FROM {event_log} WHERE position = 2":                                                    "positions missing",
		"DELETE FROM {event_log} WHERE position = 3":                                                    "not at its last position",
		"UPDATE {log_head} SET position = 7":                                                            "not at its last position",
		"DELETE FROM {event} WHERE name = 'deal.created'":                                               "no history has",
		"INSERT INTO {outbox} SELECT tenant, event_id, 1, 1, {now} FROM {event_log} WHERE position = 1": "announces events that the log has",
		"UPDATE {subscription} SET position = 1":                                                        "rests where it should not",
		"UPDATE {subscription} SET position = 9":                                                        "rests where it should not",
		"UPDATE {held_event} SET parked = NULL":                                                         "tries none",
	} {
		t.Run(strings.Fields(damage)[0]+" "+want, func(t *testing.T) {
			enginetest.Each(t, func(t *testing.T, e enginetest.Engine) {
				s := subscribed(t, e.Store, crm.Config{}, func(c *crm.Core) error {
					return c.On("*", "all", func(_ context.Context, e crm.Event) error {
						if e.Object == "deal" {
							return crm.Permanent(errors.New("no"))
						}
						return nil
					})
				})
				ctx := system(t)
				s.company(t, ctx, "One")
				s.company(t, ctx, "Two")
				_, err := s.deals.Create(ctx, deal{Name: "Deal"})
				require.NoError(t, err)
				s.work(t)
				s.whole(t)
				prefix, now := "crm_", "0"
				if e.Name == "postgres" {
					prefix, now = "crm.", "now()"
				}
				text := strings.ReplaceAll(damage, "{now}", now)
				text = strings.ReplaceAll(strings.ReplaceAll(text, "{", prefix), "}", "")
				_, err = e.DB.ExecContext(ctx, text)
				require.NoError(t, err)
				problems, err := s.Check(ctx)
				require.NoError(t, err)
				var all []string
				for _, p := range problems {
					all = append(all, p.String())
				}
				require.Contains(t, strings.Join(all, "\n"), want)
			})
		})
	}
}
