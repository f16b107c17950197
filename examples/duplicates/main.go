// Command duplicates finds the rows of a file that are one entity.
package main

import (
	"context"
	"encoding/csv"
	"flag"
	"fmt"
	"log"
	"os"
	"regexp"
	"runtime/pprof"
	"slices"
	"strings"
	"time"

	"github.com/embedcrm/embedcrm/customers/match"
)

func main() {
	in := flag.String("in", "", "")
	truth := flag.String("truth", "", "")
	drop := flag.String("drop", "", "")
	threshold := flag.Float64("threshold", 0, "")
	errs := flag.Int("errors", 0, "")
	dump := flag.Bool("model", false, "")
	cpu := flag.String("cpu", "", "")
	flag.Parse()
	if *cpu != "" {
		f, _ := os.Create(*cpu)
		_ = pprof.StartCPUProfile(f)
		defer pprof.StopCPUProfile()
	}
	f, err := os.Open(*in)
	if err != nil {
		log.Fatal(err)
	}
	c := csv.NewReader(f)
	c.TrimLeadingSpace, c.LazyQuotes, c.FieldsPerRecord = true, true, -1
	rows, err := c.ReadAll()
	if err != nil {
		log.Fatal(err)
	}
	heads := rows[0]
	rows = rows[1:]
	for i := range heads {
		heads[i] = strings.TrimSpace(heads[i])
	}
	col := func(i int) []string {
		var l []string
		for _, r := range rows {
			l = append(l, strings.TrimSpace(r[i]))
		}
		return l
	}
	t := slices.Index(heads, *truth)
	tv := col(t)
	seen := map[string]bool{}
	for _, v := range tv {
		seen[v] = true
	}
	if len(seen) == len(tv) {
		re := regexp.MustCompile(`[-_](org|dup)(-\d+)?$`)
		for i := range tv {
			tv[i] = re.ReplaceAllString(tv[i], "")
		}
	}
	var fields []match.Field
	var cols []int
	for i, h := range heads {
		if i == t || slices.Contains(strings.Split(*drop, ","), h) {
			continue
		}
		k, ok := match.Guess(h, col(i))
		if ok && k == match.Text && strings.Contains(h, "name") {
			k = match.Company
		}
		fmt.Println(h, k, ok)
		if ok {
			fields = append(fields, match.Field{Name: h, Kind: k})
			cols = append(cols, i)
		}
	}
	start := time.Now()
	r, err := match.NewRecords(fields...)
	if err != nil {
		log.Fatal(err)
	}
	for _, row := range rows {
		var v []string
		for _, i := range cols {
			v = append(v, row[i])
		}
		if _, err := r.Add(v...); err != nil {
			log.Fatal(err)
		}
	}
	ctx := context.Background()
	m, err := match.Learn(ctx, r, match.Options{})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("learned", time.Since(start), "prior matches", m.Prior*float64(len(rows)*(len(rows)-1)/2))
	if *dump {
		for _, w := range m.Fields {
			fmt.Printf("%-14s given %d\n  m %.4f\n  u %.6f\n", w.Name, w.Given, w.Match[1:], w.Chance[0][1:])
		}
	}
	cl, err := match.Find(ctx, r, m, match.Options{Threshold: *threshold})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("found", time.Since(start))
	tp, fp := 0, 0
	pred := map[[2]int]bool{}
	show := func(what string, a, b int) {
		if *errs > 0 {
			*errs--
			fmt.Println(what, match.Explain(r, m, a, b))
			fmt.Println("   ", rows[a])
			fmt.Println("   ", rows[b])
		}
	}
	for _, c := range cl {
		for _, p := range c.Pairs() {
			pred[p] = true
			if tv[p[0]] == tv[p[1]] {
				tp++
			} else {
				fp++
				show("FP", p[0], p[1])
			}
		}
	}
	g := map[string][]int{}
	for i, v := range tv {
		g[v] = append(g[v], i)
	}
	total := 0
	for i, v := range tv {
		for _, j := range g[v] {
			if j < i {
				total++
				if !pred[[2]int{j, i}] {
					show("FN", j, i)
				}
			}
		}
	}
	p, rc := float64(tp)/float64(max(tp+fp, 1)), float64(tp)/float64(total)
	fmt.Printf("precision %.4f recall %.4f f1 %.4f pairs %d\n", p, rc, 2*p*rc/(p+rc), tp+fp)
}
