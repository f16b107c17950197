package filter_test

import (
	"maps"
	"math"
	"math/big"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/embedcrm/embedcrm/crm/internal/filter"
	"github.com/embedcrm/embedcrm/storage"
)

// berlin is a zone whose clocks change, at times other than midnight.
func berlin() *time.Location {
	zone, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		panic(err) // it is in every copy of the database
	}
	return zone
}

func utc(s string) time.Time {
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		panic(err) // the tests write it
	}
	return t.UTC()
}

// now is four days after the clocks went forward.
func now() time.Time { return utc("2026-04-02T10:30:00.123456Z") }

func env() filter.Env {
	return filter.Env{Now: now(), Zone: berlin(), Me: ids()[0], Money: money, Fold: fold}
}

func ids() []uuid.UUID {
	var list []uuid.UUID
	for n := range 6 {
		list = append(list, uuid.UUID{0: 0x01, 6: 0x70, 8: 0x80, 15: byte(n + 1)})
	}
	return list
}

func texts() []string {
	return []string{
		"", "a", "A", "ab", "Ada", "ADA", "ada", "b", "é", "É", "e\u0301", "ß", "李", "李雷", "😀", "a%b", "a_b", "%", "_", "'", `"`, `\`, "`", "gold", "Gold",
		"silver", "null", "12", "a\nb", "//", "nil", "$1",
	}
}

func currencies() []string { return []string{"EUR", "USD", "CNY"} }

func tags() []string { return []string{"vip", "VIP", "a b", "李", "", "it's", `"`, "%"} }

func ints() []int64 {
	return []int64{math.MinInt64, -1000, -3, -1, 0, 1, 2, 3, 10, 1 << 53, 1<<53 + 1, math.MaxInt64}
}

func decimals() []string {
	return []string{"-1.01", "-1", "0", "0.5", "1", "1.00", "1.005", "1.01", "-1.005", "2", "12.34", "12.340", "12.345", "1.5", "0.000000001", "99999999999999999999.5", "-99999999999999999999.0"}
}

// moments are spans before and after now, with what they come to in Berlin, where
// clocks were put forward in the night of 29 March.
func moments() map[string]time.Time {
	return map[string]time.Time{
		"ago('90d')": utc("2026-01-02T11:30:00.123456Z"), "ago('1w')": utc("2026-03-26T11:30:00.123456Z"), "ago('2h')": utc("2026-04-02T08:30:00.123456Z"),
		"ago('1mo')": utc("2026-03-02T11:30:00.123456Z"), "ago('2y')": utc("2024-04-02T10:30:00.123456Z"), "fromNow('3d')": utc("2026-04-05T10:30:00.123456Z"),
		"ago('0d')": now(), "ago('11h')": utc("2026-04-01T23:30:00.123456Z"), "fromNow('7mo')": utc("2026-11-02T11:30:00.123456Z"),
		"ago('90min')": utc("2026-04-02T09:00:00.123456Z"), "ago('5s')": utc("2026-04-02T10:29:55.123456Z"),
	}
}

func times() []time.Time {
	list := []time.Time{
		utc("1969-12-31T23:59:59.999999Z"), utc("1970-01-01T00:00:00Z"), utc("2026-03-28T23:00:00Z"), utc("2026-03-28T22:59:59.999999Z"),
		utc("2026-03-29T22:00:00Z"), utc("2026-03-29T21:59:59.999999Z"), utc("2026-04-01T22:00:00Z"), utc("2026-04-01T21:59:59.999999Z"), utc("2026-04-02T22:00:00Z"),
		utc("0001-01-01T00:00:00Z"), utc("9999-12-31T23:59:59.999999Z"), now(), now().Add(time.Microsecond),
	}
	for _, name := range slices.Sorted(maps.Keys(moments())) {
		list = append(list, moments()[name], moments()[name].Add(-time.Microsecond))
	}
	return list
}

func days() []storage.Date {
	return []storage.Date{{Year: 2026, Month: 3, Day: 29}, {Year: 2026, Month: 3, Day: 30}, {Year: 2026, Month: 4, Day: 1}, {Year: 2026, Month: 4, Day: 2}, {Year: 2026, Month: 4, Day: 5}, {Year: 2026, Month: 1, Day: 2}, {Year: 1, Month: 1, Day: 1}, {Year: 1969, Month: 12, Day: 31}, {Year: 2024, Month: 2, Day: 29}, {Year: 9999, Month: 12, Day: 31}}
}

func rat(s string) *big.Rat {
	r, ok := new(big.Rat).SetString(s)
	if !ok {
		panic(s) // the tests write it
	}
	return r
}

// value draws a value a field can have; nil one time in four.
func (g *generator) value(f filter.Field, required bool) any {
	if !required && g.chance(4) {
		return nil
	}
	switch f.Type {
	case filter.Bool:
		return g.chance(2)
	case filter.Int:
		return pick(g, ints())
	case filter.Text:
		return pick(g, texts())
	case filter.ID:
		return pick(g, ids())
	case filter.Time:
		return pick(g, times())
	case filter.Date:
		return pick(g, days())
	case filter.Money:
		return filter.Amount{Minor: pick(g, []int64{-100, 0, 1, 1000, 1050, 1 << 40}), Currency: pick(g, currencies())}
	case filter.Decimal:
		return new(big.Rat).SetFrac64(pick(g, []int64{-101, -100, 0, 50, 100, 101, 1234, 1235, 200, 150}), 100)
	case filter.Tags:
		list := []string{}
		for range g.IntN(3) {
			list = append(list, pick(g, tags()))
		}
		return list
	}
	panic("no such type")
}

// record draws a record of an object.
func (g *generator) record(o *object, id uuid.UUID) *record {
	r := &record{id: id, fields: map[string]any{}, custom: map[string]any{}, refs: map[string]*record{}, rels: map[string][]*record{}, keys: map[string]uuid.UUID{}}
	for _, name := range slices.Sorted(maps.Keys(o.fields)) {
		f := o.fields[name]
		r.fields[name] = g.value(f, !o.table.Columns[o.table.Index(f.At.Name)].Null)
	}
	for _, name := range slices.Sorted(maps.Keys(o.custom)) {
		r.custom[name] = g.value(o.custom[name], false)
	}
	if _, ok := r.fields["id"]; ok {
		r.fields["id"] = id
	}
	r.deleted = o.scope != nil && g.chance(4)
	return r
}

// world is the records of one tenant, and their rows.
type world struct {
	deals []*record
	rows  memory
}

func (g *generator) world(deals int) world {
	o, w := g.objects, world{rows: memory{}}
	number := byte(0)
	add := func(of *object) *record {
		number++
		id := uuid.UUID{0: 0x02, 6: 0x70, 8: 0x80, 15: number}
		if of != o.deal {
			id[1] = 1
		}
		return g.record(of, id)
	}
	var persons, teams []*record
	for range 6 {
		persons, teams = append(persons, add(o.person)), append(teams, add(o.team))
	}
	refer := func(r *record, name string, to []*record) {
		delete(r.fields, name+"_id")
		if g.chance(5) {
			return
		}
		other := pick(g, to)
		r.keys[name+"_id"] = other.id
		if !other.deleted {
			r.refs[name] = other
		}
	}
	var related []*record
	for range deals {
		d := add(o.deal)
		refer(d, "person", persons)
		refer(d, "team", teams)
		if id, ok := d.keys["person_id"]; ok {
			d.fields["person_id"] = id
		}
		w.deals = append(w.deals, d)
	}
	put := func(of *object, name string, n int) {
		for range n {
			r, d := add(of), pick(g, w.deals)
			if of == o.purchase {
				refer(r, "person", persons)
			}
			if !g.chance(8) {
				r.keys["deal_id"] = d.id
				if !r.deleted {
					d.rels[name] = append(d.rels[name], r)
				}
			}
			related = append(related, r)
			w.rows[of.table] = append(w.rows[of.table], of.row(r))
		}
	}
	put(o.purchase, "purchases", 2*deals)
	put(o.mark, "marks", deals)
	for of, list := range map[*object][]*record{o.person: persons, o.team: teams, o.deal: w.deals} {
		for _, r := range list {
			w.rows[of.table] = append(w.rows[of.table], of.row(r))
			w.index(o, r)
		}
	}
	return w
}

// index writes the looked-up fields of a record into the index table, and others
// that could be taken for them.
func (w *world) index(o objects, r *record) {
	for n, name := range []string{"code", "points", "tier", "n"} {
		if r.custom[name] == nil {
			continue
		}
		v := make(storage.Values, len(o.index.table.Columns))
		id := r.id
		id[2] = byte(n + 1)
		v[0], v[1], v[2] = id, r.id, name
		v[3+n%2] = r.custom[name]
		w.rows[o.index.table] = append(w.rows[o.index.table], v)
	}
}
