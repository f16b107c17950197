package main

import (
	"bytes"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"strconv"
	"time"
)

// What the sample is made of.
//
//nolint:gochecknoglobals // constants
var (
	sampleSectors  = []string{"finance", "medical", "retail", "software"}
	sampleAccounts = []string{
		"Alder Works", "Birch & Sons", "Cedar Clinics", "Dogwood Data", "Elm Street Bank", "Fir Foods", "Ginkgo Health", "Hazel Homes",
		"Ivy Insurance", "Juniper Soft", "Kapok Stores", "Larch Labs", "Maple Mutual", "Nutmeg Networks", "Oak Outfitters", "Pine Pharma",
	}
	sampleProducts = []struct {
		name, series string
		price        int
	}{{"Atlas Basic", "Atlas", 600}, {"Atlas Plus", "Atlas", 1_800}, {"Atlas Pro", "Atlas", 5_200}, {"Borea", "Borea", 90}, {"Corona 9", "Corona", 24_000}}
	sampleTeams = []struct {
		office, manager string
		agents          []string
	}{
		{"North", "Mira Lund", []string{"Ana Reyes", "Bo Winter", "Cleo Marsh"}},
		{"North", "Noel Park", []string{"Dev Rao", "Eve Stone"}},
		{"South", "Omar Diaz", []string{"Finn Hale", "Gia Rossi", "Hugo Blanc"}},
	}
)

const sampleSize = 600

// sample returns a file of made-up data in the layout of the real one, flaws
// included: opportunities without account and without date. It is the same each time.
func sample(name string) ([]byte, error) {
	var b bytes.Buffer
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	dice := rand.New(rand.NewPCG(1843, 1852)) //nolint:gosec // the same each time, and no secret
	switch name {
	case "accounts.csv":
		line("account,sector,year_established,revenue,employees,office_location,subsidiary_of")
		for i, a := range sampleAccounts {
			parent := ""
			if i%4 == 3 {
				parent = sampleAccounts[i-3]
			}
			line("%s,%s,%d,%d.%02d,%d,United States,%s", a, sampleSectors[dice.IntN(4)], 1950+dice.IntN(70), dice.IntN(4000), dice.IntN(100), 5+dice.IntN(9000), parent)
		}
	case "products.csv":
		line("product,series,sales_price")
		for _, p := range sampleProducts {
			line("%s,%s,%d", p.name, p.series, p.price)
		}
	case "sales_teams.csv":
		line("sales_agent,manager,regional_office")
		for _, t := range sampleTeams {
			for _, a := range t.agents {
				line("%s,%s,%s", a, t.manager, t.office)
			}
		}
	case "sales_pipeline.csv":
		line("opportunity_id,sales_agent,product,account,deal_stage,engage_date,close_date,close_value")
		for n := range sampleSize {
			line("%s", opportunityLine(dice, n))
		}
	default:
		return nil, fmt.Errorf("%s: %w", name, fs.ErrNotExist)
	}
	return b.Bytes(), nil
}

func opportunityLine(dice *rand.Rand, n int) string {
	team := sampleTeams[dice.IntN(len(sampleTeams))]
	product := sampleProducts[dice.IntN(len(sampleProducts)-dice.IntN(2))]
	account := sampleAccounts[dice.IntN(len(sampleAccounts))]
	day := time.Date(2024, time.January, 2, 0, 0, 0, 0, time.UTC).AddDate(0, 0, dice.IntN(300))
	engaged, closed, value := day.Format(time.DateOnly), "", ""
	stage := []string{"Won", "Won", "Won", "Won", "Won", "Lost", "Lost", "Lost", "Engaging", "Prospecting"}[dice.IntN(10)]
	switch stage {
	case "Won", "Lost":
		closed = day.AddDate(0, 0, 3+dice.IntN(60)).Format(time.DateOnly)
		if value = "0"; stage == "Won" {
			value = strconv.Itoa(product.price * (85 + dice.IntN(25)) / 100)
		}
	case "Prospecting":
		engaged = ""
		fallthrough
	default:
		if dice.IntN(3) > 0 {
			account = ""
		}
	}
	return fmt.Sprintf("S%05d,%s,%s,%s,%s,%s,%s,%s", n, team.agents[dice.IntN(len(team.agents))], product.name, account, stage, engaged, closed, value)
}
