package crm_test

import (
	"context"
	"errors"
	"io"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/internal/enginetest"
)

// readLog is what a watcher was told. It keeps each in the database, too.
type readLog struct {
	all    []crm.Reading
	refuse error
	kept   int64
	keep   *crm.Ledger[sighting]
	person crm.ID
}

func (r *readLog) watch(ctx context.Context, x crm.Reading) error {
	r.all = append(r.all, x)
	if r.refuse != nil || r.keep == nil {
		return r.refuse
	}
	r.kept++
	return r.keep.Append(ctx, sighting{PersonID: r.person, Seq: 1000 + r.kept, Place: string(x.How)})
}

// take returns what was told since.
func (r *readLog) take() []crm.Reading {
	all := r.all
	r.all = nil
	return all
}

// watchedPractice is a practice whose reads are told.
func watchedPractice(t *testing.T, fn func(t *testing.T, p *practice, told *readLog)) {
	t.Helper()
	t.Parallel()
	enginetest.Each(t, func(t *testing.T, e enginetest.Engine) {
		told := &readLog{}
		fn(t, newPractice(t, e, crm.Config{}, func(c *crm.Core) error { return c.WatchReads(told.watch) }), told)
	})
}

// every collects what a sequence gives.
func every[T any](seq func(func(T, error) bool)) (list []T, err error) {
	for v, err := range seq {
		if err != nil {
			return nil, err
		}
		list = append(list, v)
	}
	return list, nil
}

// shower is a way to read a person; it returns how much was shown.
type shower func(ctx context.Context) (int, error)

func shows[T any](list []T, err error) (int, error) { return len(list), err }

func showsOne[T any](_ T, err error) (int, error) {
	if err != nil {
		return 0, err
	}
	return 1, nil
}

// waysToRead are all ways to be shown the person.
func (p *practice) waysToRead(t *testing.T, id, other crm.ID) map[string]shower {
	t.Helper()
	records, err := p.Records("person")
	require.NoError(t, err)
	only := crm.Where("id == $1", id)
	return map[string]shower{
		"get": func(ctx context.Context) (int, error) { return showsOne(p.people.Get(ctx, id)) },
		"find": func(ctx context.Context) (int, error) {
			return showsOne(p.people.Find(ctx, "shop", "customer-98431-ward-7"))
		},
		"list": func(ctx context.Context) (int, error) {
			page, err := p.people.List(ctx, only)
			return shows(page.Items, err)
		},
		"all": func(ctx context.Context) (int, error) { return shows(every(p.people.All(ctx, only))) },
		"search": func(ctx context.Context) (int, error) {
			page, err := p.people.Search(ctx, "augusta")
			return shows(page.Items, err)
		},
		"search all": func(ctx context.Context) (int, error) { return shows(p.Search(ctx, "augusta")) },
		"history": func(ctx context.Context) (int, error) {
			page, err := p.people.History(ctx, id)
			return shows(page.Items, err)
		},
		"as of":  func(ctx context.Context) (int, error) { return showsOne(p.people.AsOf(ctx, id, p.Clock.Now())) },
		"record": func(ctx context.Context) (int, error) { return showsOne(records.Get(ctx, id)) },
		"records": func(ctx context.Context) (int, error) {
			page, err := records.List(ctx, only)
			return shows(page.Items, err)
		},
		"all records": func(ctx context.Context) (int, error) { return shows(every(records.All(ctx, only))) },
		"its history": func(ctx context.Context) (int, error) {
			page, err := records.History(ctx, id)
			return shows(page.Items, err)
		},
		"timeline": func(ctx context.Context) (int, error) {
			page, err := p.Timeline(ctx, "person", id, crm.TimelineFilter{})
			return shows(page.Items, err)
		},
		"an update of nothing": func(ctx context.Context) (int, error) {
			return showsOne(p.people.Update(ctx, id, func(*patient) error { return nil }))
		},
		"an upsert of nothing": func(ctx context.Context) (int, error) {
			v, _, err := p.people.Upsert(ctx, patient{Record: crm.Record{Refs: crm.Refs{"shop": "customer-98431-ward-7"}}})
			return showsOne(v, err)
		},
		"a merge's preview": func(ctx context.Context) (int, error) {
			preview, err := p.people.PreviewMerge(ctx, id, []crm.ID{other}, crm.MergeRules{})
			return shows(preview.Fields, err)
		},
	}
}

func TestReadsAreTold(t *testing.T) {
	watchedPractice(t, func(t *testing.T, p *practice, told *readLog) {
		ctx := as(t, "dana")
		ada := p.augusta(t, ctx)
		bob, err := p.people.Create(ctx, patient{Name: "Bob", Sex: "male"})
		require.NoError(t, err)
		require.Empty(t, told.take(), "the history has what is written")
		told.keep, told.person = p.seen, ada.ID
		because := crm.Because(ctx, "ticket 7")
		for way, show := range p.waysToRead(t, ada.ID, bob.ID) {
			for _, inTx := range []bool{false, true} {
				within := func(ctx context.Context, fn func(context.Context) error) error { return fn(ctx) }
				if inTx {
					within = p.Tx
				}
				rows, err := p.seen.Count(system(t), crm.Where("seq > 1000"))
				require.NoError(t, err)
				require.NoError(t, within(because, func(ctx context.Context) error {
					n, err := show(ctx)
					require.Positive(t, n, way)
					return err
				}), way)
				want := crm.Reading{Object: "person", Records: []crm.ID{ada.ID}, How: crm.ReadingRead, Actor: "member:dana", Cause: "ticket 7"}
				if way == "a merge's preview" {
					want.Records = append(want.Records, bob.ID)
				}
				require.Equal(t, []crm.Reading{want}, told.take(), way)
				after, err := p.seen.Count(system(t), crm.Where("seq > 1000"))
				require.NoError(t, err)
				require.Equal(t, rows+1, after, "%s: the watcher wrote in the database", way)

				require.NoError(t, within(system(t), func(ctx context.Context) error { _, err := show(ctx); return err }), way)
				require.NoError(t, within(crm.TrustedIn(ctx), func(ctx context.Context) error { _, err := show(ctx); return err }), way)
				require.Empty(t, told.take(), "%s: what a module reads for itself is nobody's reading", way)
			}
			told.refuse = errors.New("the log is full")
			n, err := show(ctx)
			require.ErrorIs(t, err, told.refuse, way)
			require.Zero(t, n, "%s: what is refused shows nothing", way)
			told.refuse = nil
			told.take()
		}
	})
}

func TestWhatShowsNoRecordIsNotTold(t *testing.T) {
	watchedPractice(t, func(t *testing.T, p *practice, told *readLog) {
		ctx := as(t, "dana")
		ada := p.augusta(t, ctx)
		for range 2 { // the second time as an error would be
			_, err := p.people.Count(ctx)
			require.NoError(t, err)
			_, err = p.people.Facets(ctx, "level")
			require.NoError(t, err)
			_, err = p.Aggregate(ctx, "person", crm.Figures{Measures: []crm.Measure{{Fn: crm.FnCount}}})
			require.NoError(t, err)
			rows, err := p.seen.List(ctx)
			require.NoError(t, err)
			require.NotEmpty(t, rows.Items)
			_, err = p.people.Update(ctx, ada.ID, func(x *patient) error { x.Level += "!"; return nil })
			require.NoError(t, err)
			require.NoError(t, p.people.May(ctx, crm.VerbRead, ada.ID))
			nobody, err := p.people.List(ctx, crm.Where("name == 'Nobody'"))
			require.NoError(t, err)
			require.Empty(t, nobody.Items)
			none, err := p.people.Search(ctx, "nobody")
			require.NoError(t, err)
			require.Empty(t, none.Items)
			_, err = p.people.Get(ctx, crm.ID{1})
			require.ErrorIs(t, err, crm.ErrNotFound)
			require.Empty(t, told.take())
			told.refuse = errors.New("the log is full")
		}
	})
}

func TestPagesAreToldOneByOne(t *testing.T) {
	watchedPractice(t, func(t *testing.T, p *practice, told *readLog) {
		ctx := as(t, "dana")
		for range 5 {
			_, err := p.people.Create(ctx, patient{Name: "Bob", Sex: "male"})
			require.NoError(t, err)
		}
		n := 0
		for _, err := range p.people.All(ctx, crm.Limit(2)) {
			require.NoError(t, err)
			n++
			pages := told.take()
			require.Equal(t, n%2 == 1, len(pages) == 1, "a page is told of when it is read")
			if n == 3 {
				break
			}
		}
		records, err := p.Records("person")
		require.NoError(t, err)
		seen := map[crm.ID]bool{}
		for v, err := range records.Export(ctx, crm.Limit(2)) {
			require.NoError(t, err)
			for _, r := range told.take() {
				require.Equal(t, crm.ReadingExport, r.How)
				for _, id := range r.Records {
					seen[id] = true
				}
			}
			require.True(t, seen[v.ID()], "each is told of before it is given")
		}
		require.Len(t, seen, 5)
	})
}

func TestAPersonsExportIsTold(t *testing.T) {
	watchedPractice(t, func(t *testing.T, p *practice, told *readLog) {
		ctx := as(t, "dana")
		ada := p.augusta(t, ctx)
		told.keep, told.person = p.seen, ada.ID
		byKind := func() map[string]int {
			n := map[string]int{}
			for i, r := range told.take() {
				require.Equal(t, crm.ReadingExport, r.How)
				require.Equal(t, "member:dana", r.Actor)
				if i == 0 {
					require.Equal(t, []crm.ID{ada.ID}, r.Records, "the person's own record first")
				}
				n[r.Object] += len(r.Records)
			}
			return n
		}
		want := map[string]int{"person": 1, "remark": 3, "reply": 2, "bill": 1}
		done, err := p.ExportPerson(ctx, io.Discard, "person", ada.ID, crm.PersonJSON)
		require.NoError(t, err)
		require.EqualValues(t, 7, done.Records)
		require.Equal(t, want, byKind())
		require.NoError(t, p.Tx(ctx, func(ctx context.Context) error {
			_, err := p.people.ExportPerson(ctx, io.Discard, ada.ID, crm.PersonHTML)
			return err
		}))
		require.Equal(t, want, byKind())

		gone, cancel := context.WithCancel(ctx)
		_, err = p.ExportPerson(gone, &closing{after: 2, cancel: cancel}, "person", ada.ID, crm.PersonJSON)
		require.Error(t, err)
		require.Equal(t, map[string]int{"person": 1, "bill": 1, "remark": 1}, byKind(), "what was written out is told, though the caller is gone")

		told.refuse = errors.New("the log is full")
		_, err = p.ExportPerson(ctx, broken{}, "person", ada.ID, crm.PersonJSON)
		require.ErrorIs(t, err, told.refuse, "nothing was written out")
		told.take()
		_, err = p.ExportPerson(ctx, io.Discard, "person", crm.ID{1}, crm.PersonJSON)
		require.ErrorIs(t, err, crm.ErrNotFound)
		require.Empty(t, told.take())
	})
}

// closing is a reader who goes away while he is given a record.
type closing struct {
	after  int
	cancel context.CancelFunc
}

func (c *closing) Write(b []byte) (int, error) {
	if string(b) == ",\n" || len(b) > 2 && b[0] == ',' && b[1] == '\n' {
		if c.after--; c.after == 0 {
			c.cancel()
			return 0, io.ErrClosedPipe
		}
	}
	return len(b), nil
}

type broken struct{}

func (broken) Write([]byte) (int, error) { panic("something was written out") }

func TestWatchersAreRegisteredBeforeMigrate(t *testing.T) {
	watchedPractice(t, func(t *testing.T, p *practice, told *readLog) {
		require.ErrorIs(t, p.WatchReads(told.watch), crm.ErrInvalid)
		require.ErrorIs(t, p.WatchReads(nil), crm.ErrInvalid)
	})
}
