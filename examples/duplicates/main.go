package main

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"os/signal"
	"slices"

	"github.com/embedcrm/embedcrm/customers/match"
)

func main() {
	var o options
	flag.StringVar(&o.in, "in", "", "the file of rows: CSV of any encoding and delimiter, with headings")
	flag.StringVar(&o.truth, "truth", "", "the column that says which entity a row is; without it, nothing is measured")
	flag.StringVar(&o.pattern, "truth-pattern", "", "a regular expression whose first group is the entity within that column's text")
	flag.Float64Var(&o.threshold, "threshold", .5, "the probability from which on rows are taken to be one entity")
	flag.IntVar(&o.explain, "explain", 2, "how many pairs are explained: the least sure ones, and what was nearly one")
	flag.Parse()
	log.SetFlags(0)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, o, os.Stdout); err != nil {
		stop()
		log.Fatal(err) //nolint:gocritic // stop was called
	}
}

type options struct {
	in, truth, pattern string
	threshold          float64
	explain            int
}

func run(ctx context.Context, o options, w io.Writer) error {
	t, err := readTable(o.in)
	if err != nil {
		return err
	}
	entities, err := t.entities(o.truth, o.pattern)
	if err != nil {
		return err
	}
	records, err := t.records(o.truth, w)
	if err != nil {
		return err
	}
	model, err := match.Learn(ctx, records, match.Options{})
	if err != nil {
		return err
	}
	clusters, err := match.Find(ctx, records, model, match.Options{Threshold: o.threshold})
	if err != nil {
		return err
	}
	if err := explain(t, records, model, clusters, o.explain, w); err != nil {
		return err
	}
	fmt.Fprintf(w, "%d rows are of %d entities with duplicates\n", sum(clusters), len(clusters))
	if entities != nil {
		fmt.Fprintln(w, judge(clusters, entities))
	}
	return nil
}

func sum(clusters []match.Cluster) (n int) {
	for _, c := range clusters {
		n += len(c.Records)
	}
	return n
}

// explain shows the pairs that were found with the least certainty.
func explain(t *table, r *match.Records, m *match.Model, clusters []match.Cluster, n int, w io.Writer) error {
	clusters = slices.Clone(clusters)
	slices.SortStableFunc(clusters, func(a, b match.Cluster) int { return cmp.Compare(a.Probability, b.Probability) })
	for _, c := range clusters[:max(0, min(n, len(clusters)))] {
		p := c.Pairs()[0]
		e, err := match.Explain(r, m, p[0], p[1])
		if err != nil {
			return err
		}
		fmt.Fprintf(w, "lines %d and %d:\n%v\n", t.lines[p[0]], t.lines[p[1]], e)
	}
	return nil
}

// score is how well the pairs that were found are those that there are.
type score struct{ right, found, there int }

func judge(clusters []match.Cluster, entities []string) (s score) {
	for _, c := range clusters {
		for _, p := range c.Pairs() {
			s.found++
			if entities[p[0]] == entities[p[1]] {
				s.right++
			}
		}
	}
	rows := map[string]int{}
	for _, e := range entities {
		s.there += rows[e]
		rows[e]++
	}
	return s
}

func (s score) precision() float64 { return ratio(s.right, s.found) }
func (s score) recall() float64    { return ratio(s.right, s.there) }
func (s score) f1() float64        { return ratio(2*s.right, s.found+s.there) }

func (s score) String() string {
	return fmt.Sprintf("precision %.4f recall %.4f f1 %.4f pairs %d", s.precision(), s.recall(), s.f1(), s.found)
}

func ratio(part, whole int) float64 {
	if whole == 0 {
		return 1 // nothing to find, and nothing found
	}
	return float64(part) / float64(whole)
}
