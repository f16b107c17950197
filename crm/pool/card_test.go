package pool_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/crm/pool"
)

func TestCardsShowWhatThePoolShows(t *testing.T) {
	onBoth(t, func(t *testing.T, d *desk) {
		north := d.pool(t, nil)
		ada := d.client(t, "Ada")
		d.owned(t, "Bob", "lee")
		gone := d.client(t, "Cai")
		require.NoError(t, d.clients.Delete(system(t), gone.ID))
		need(d.clients.Create(system(t), client{Name: "Dee", Region: "S"}))(t)

		page, err := d.pools.Cards(as(t, "dana"), north.ID, crm.WithDeleted())
		require.NoError(t, err)
		require.Equal(t, []pool.Card{{ID: ada.ID, Values: crm.Values{"name": "Ada", "region": "N", "phone": "+86138****0000"}}}, page.Items)
		for _, ctx := range []context.Context{system(t), as(t, "kim")} { // for those who may read all of it the card is the same
			again, err := d.pools.Cards(ctx, north.ID)
			require.NoError(t, err)
			require.Equal(t, page.Items, again.Items)
		}
		n, err := d.pools.CountCards(as(t, "dana"), north.ID, crm.Where("name == 'Ada'"))
		require.NoError(t, err)
		require.EqualValues(t, 1, n)
		for who, want := range map[string]error{"sam": crm.ErrNotFound, "guest": crm.ErrNotFound, "nobody": crm.ErrForbidden} {
			_, err = d.pools.Cards(as(t, who), north.ID)
			require.ErrorIs(t, err, want, who)
			_, err = d.pools.CountCards(as(t, who), north.ID)
			require.ErrorIs(t, err, want, who)
		}
		for who, want := range map[string]int{"dana": 1, "lee": 1, "sam": 0, "kim": 0} {
			mine, err := d.pools.Mine(as(t, who))
			require.NoError(t, err)
			require.Len(t, mine, want, who)
		}
	})
}

func TestCardsAreFilteredSortedAndPaged(t *testing.T) {
	onBoth(t, func(t *testing.T, d *desk) {
		north := d.pool(t, nil)
		for _, name := range []string{"Cai", "Ada", "Bob"} {
			d.client(t, name)
		}
		var names []any
		for cursor := ""; ; {
			page, err := d.pools.Cards(as(t, "dana"), north.ID, crm.OrderBy("name"), crm.Limit(1), crm.After(cursor), crm.Where("name != 'Bob'"))
			require.NoError(t, err)
			for _, c := range page.Items {
				names = append(names, c.Values["name"])
			}
			if cursor = page.Next; cursor == "" {
				break
			}
			_, err = d.clients.List(as(t, "dana"), crm.OrderBy("name"), crm.Limit(1), crm.After(cursor), crm.Where("name != 'Bob'"))
			require.ErrorIs(t, err, crm.ErrInvalid, "a cursor is of its own list")
		}
		require.Equal(t, []any{"Ada", "Cai"}, names)
	})
}

// TestNothingLeaksOfWhatWaits goes by every way there is to the fields that a pool hides, as
// a member who may claim, and by those of another.
func TestNothingLeaksOfWhatWaits(t *testing.T) {
	onBoth(t, func(t *testing.T, d *desk) {
		_, err := d.Fields.Create(system(t), crm.CustomField{Object: "client", Name: "worth", Type: crm.FieldText})
		require.NoError(t, err)
		_, err = d.Fields.Create(system(t), crm.CustomField{Object: "client", Name: "tier", Type: crm.FieldText})
		require.NoError(t, err)
		north := d.pool(t, func(p *pool.Pool) { p.Show = append(p.Show, "custom.tier") })
		secret := client{Name: "Ada", Region: "N", Phone: "+8613812340000", Email: "ada@example.com"}
		secret.Custom = crm.Custom{"worth": "much", "tier": "gold"}
		secret.Refs = crm.Refs{"shop": "4711"}
		ada := need(d.clients.Create(system(t), secret))(t)
		need(d.visits.Create(system(t), visit{Object: "client", RecordID: ada.ID, At: d.Clock.Now(), About: "secret"}))(t)
		need(d.offers.Create(system(t), offer{ClientID: ada.ID, State: "won"}))(t)
		ours := offer{ClientID: ada.ID, State: "open"}
		ours.OwnerID = d.people["dana"].ID
		ourOffer := need(d.offers.Create(system(t), ours))(t)
		// She had it once, and it was shared with her.
		_, err = d.pools.Claim(as(t, "dana"), north.ID, ada.ID)
		require.NoError(t, err)
		_, err = d.pools.Return(as(t, "dana"), north.ID, ada.ID, d.reason.ID, "")
		require.NoError(t, err)
		dana := as(t, "dana")

		page, err := d.pools.Cards(dana, north.ID, crm.Where("custom.tier == 'gold'"))
		require.NoError(t, err)
		require.Equal(t, crm.Values{"name": "Ada", "region": "N", "phone": "+86138****0000", "custom.tier": "gold"}, page.Items[0].Values)
		for _, where := range []string{
			"phone startsWith '+86'", "email != 'x'", "email == nil", "custom.worth == 'much'", "owner_id == nil", "owner.name == 'dana'",
			"any(visits, .about == 'secret')", "count(visits) > 0", "none(offers, .state == 'won')", "any(pool_moves, .kind == 'returned')",
		} {
			_, err := d.pools.Cards(dana, north.ID, crm.Where(where))
			require.ErrorIs(t, err, crm.ErrForbidden, where)
			_, err = d.pools.CountCards(dana, north.ID, crm.Where(where))
			require.ErrorIs(t, err, crm.ErrForbidden, where)
		}
		for _, order := range []string{"phone", "-email", "custom.worth", "owner.name", "owner_id"} {
			_, err := d.pools.Cards(dana, north.ID, crm.OrderBy(order))
			require.ErrorIs(t, err, crm.ErrForbidden, order)
		}
		_, err = d.pools.Cards(dana, north.ID, crm.WhereOf("owner_id", "true"))
		require.ErrorIs(t, err, crm.ErrForbidden)

		records := need(d.Records("client"))(t)
		for name, see := range map[string]func() (bool, error){
			"get":     func() (bool, error) { _, err := d.clients.Get(dana, ada.ID); return err == nil, err },
			"history": func() (bool, error) { _, err := d.clients.History(dana, ada.ID); return err == nil, err },
			"as of":   func() (bool, error) { _, err := d.clients.AsOf(dana, ada.ID, d.Clock.Now()); return err == nil, err },
			"find":    func() (bool, error) { _, err := d.clients.Find(dana, "shop", "4711"); return err == nil, err },
			"update": func() (bool, error) {
				_, err := d.clients.Update(dana, ada.ID, func(*client) error { return nil })
				return err == nil, err
			},
			"timeline": func() (bool, error) {
				page, err := d.Timeline(dana, "client", ada.ID, crm.TimelineFilter{})
				return len(page.Items) > 0, err
			},
			"list": func() (bool, error) {
				page, err := d.clients.List(dana, crm.WithDeleted())
				return len(page.Items) > 0, err
			},
			"search": func() (bool, error) {
				page, err := d.clients.Search(dana, "13812340000")
				return len(page.Items) > 0, err
			},
			"search all": func() (bool, error) {
				found, err := d.Search(dana, "ada@example.com")
				return len(found) > 0, err
			},
			"facets": func() (bool, error) {
				list, err := d.clients.Facets(dana, "phone")
				return len(list) > 0, err
			},
			"count": func() (bool, error) { n, err := d.clients.Count(dana); return n > 0, err },
			"figures": func() (bool, error) {
				table, err := d.Aggregate(dana, "client", crm.Figures{Measures: []crm.Measure{{Fn: crm.FnCount}}, Total: true})
				return err == nil && table.Total.Values[0] != int64(0), err
			},
			"found by value": func() (bool, error) {
				found, err := records.Find(dana, "email", []string{"ada@example.com"})
				return len(found) > 0, err
			},
			"export": func() (bool, error) {
				for _, err := range records.Export(dana) {
					return err == nil, err
				}
				return false, nil
			},
			"from a record that refers to it": func() (bool, error) {
				n, err := d.offers.Count(dana, crm.Where("client.phone startsWith '+86' and id == $1", ourOffer.ID))
				return n > 0, err
			},
			"what hangs on it": func() (bool, error) {
				page, err := d.visits.List(dana)
				return len(page.Items) > 0, err
			},
			"moves": func() (bool, error) {
				page, err := d.pools.Moves.List(dana)
				return len(page.Items) > 0, err
			},
			"person": func() (bool, error) {
				_, err := d.clients.ExportPerson(dana, discard{}, ada.ID, crm.PersonJSON)
				return err == nil, err
			},
		} {
			found, err := see()
			require.False(t, found, name)
			if err != nil {
				require.True(t, isClosed(err), "%s: %v", name, err)
			}
		}
		_, err = d.pools.Claim(dana, north.ID, ada.ID)
		require.NoError(t, err)
		is, err := d.clients.Get(dana, ada.ID)
		require.NoError(t, err)
		require.Equal(t, "ada@example.com", is.Email)
	})
}

func TestAnOpenTenantReadsWhatWaits(t *testing.T) {
	onBoth(t, func(t *testing.T, d *desk) {
		ctx := crm.As(t.Context(), crm.Actor{Tenant: "open", Member: "dana"})
		_, err := d.Members.Ensure(ctx, "dana", "Dana")
		require.NoError(t, err)
		all, err := d.pools.Create(ctx, pool.Pool{Name: "All", Object: "client", Mask: []string{"phone"}})
		require.NoError(t, err)
		ada, err := d.clients.Create(crm.System(t.Context(), "open"), client{Name: "Ada", Phone: "13800000000"})
		require.NoError(t, err)
		page, err := d.pools.Cards(ctx, all.ID)
		require.NoError(t, err)
		require.Equal(t, crm.Values{"phone": "138****0000"}, page.Items[0].Values)
		is, err := d.clients.Get(ctx, ada.ID)
		require.NoError(t, err)
		require.Equal(t, "13800000000", is.Phone, "without roles everyone may read everything")
		_, err = d.pools.Claim(ctx, all.ID, ada.ID)
		require.NoError(t, err)
	})
}

type discard struct{}

func (discard) Write(p []byte) (int, error) { return len(p), nil }
