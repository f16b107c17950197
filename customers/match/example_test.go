package match_test

import (
	"context"
	"fmt"
	"log"

	"github.com/embedcrm/embedcrm/crm/pinyin"
	"github.com/embedcrm/embedcrm/customers/match"
)

func ExampleCompare() {
	for _, c := range [][2]string{{"Bill Gates", "GATES, William"}, {"李雷", "Lei Li"}, {"Ada Lovelace", "Charles Babbage"}} {
		level, why, err := match.Compare(match.Person, c[0], c[1], pinyin.Readings)
		fmt.Println(level, "-", why, err)
	}
	// Output:
	// near - a short form of the name <nil>
	// near - read alike <nil>
	// differ - different <nil>
}

// inventors are a few records, of whom two are one person.
func inventors() (*match.Records, []match.Field) {
	fields := []match.Field{{Name: "name", Kind: match.Person}, {Name: "born", Kind: match.Date}, {Name: "mail", Kind: match.Email}}
	people, err := match.NewRecords(fields...)
	if err != nil {
		log.Fatal(err)
	}
	people.ReadBy(pinyin.Readings)
	for _, row := range [][]string{
		{"Ada Lovelace", "1815-12-10", "ada@example.com"},
		{"Charles Babbage", "1791-12-26", "charles@example.com"},
		{"LOVELACE, A.", "12/10/1815", "ada@example.com"},
	} {
		if _, err := people.Add(row...); err != nil {
			log.Fatal(err)
		}
	}
	return people, fields
}

// Of a few records nothing can be learned: what is usual serves.
func ExampleFind() {
	people, fields := inventors()
	model, err := match.Usual(.001, fields...)
	if err != nil {
		log.Fatal(err)
	}
	clusters, err := match.Find(context.Background(), people, model, match.Options{})
	for _, c := range clusters {
		fmt.Printf("%v %.3f\n", c.Records, c.Probability)
	}
	fmt.Println(err)
	// Output:
	// [0 2] 1.000
	// <nil>
}

func ExampleExplain() {
	people, fields := inventors()
	model, err := match.Usual(.001, fields...)
	if err != nil {
		log.Fatal(err)
	}
	why, err := match.Explain(people, model, 0, 2)
	fmt.Println("one entity?", err)
	fmt.Print(why)
	// Output:
	// one entity? <nil>
	//     +4.6  name             ada lovelace | a lovelace: an initial
	//    +12.9  born             18151210: the same
	//    +11.2  mail             ada@example.com: the same
	//    -10.0  before comparing
	//    +18.8  bits: probability 1.0000
}

func ExampleLearn() {
	l := newWorld(1).people(300, .5, spoiling{errors: 2, copies: 1}) // made-up people, some of them twice
	people, err := match.NewRecords(personFields()...)
	if err != nil {
		log.Fatal(err)
	}
	people.ReadBy(pinyin.Readings)
	for _, row := range l.rows {
		if _, err := people.Add(row...); err != nil {
			log.Fatal(err)
		}
	}
	ctx := context.Background()
	model, err := match.Learn(ctx, people, match.Options{})
	if err != nil {
		log.Fatal(err)
	}
	pairs, err := match.FindPairs(ctx, people, model, match.Options{Threshold: .9})
	fmt.Println(people.Len(), "records, more than 100 pairs:", len(pairs) > 100, err)
	// Output: 448 records, more than 100 pairs: true <nil>
}

func ExampleGuess() {
	fmt.Println(match.Guess([]string{"ada@example.com", "charles@example.com"}))
	fmt.Println(match.Guess([]string{"1", "2", "3"})) // numbers the rows
	fmt.Println(match.GuessName([]string{"Acme Inc.", "Globex Corporation"}))
	// Output:
	// email true
	//  false
	// company
}

// What one value has in common with another is found again by an index of keys.
func ExampleKeys() {
	fmt.Printf("%q\n", match.Keys(match.Person, "LOVELACE, Bob", nil))
	fmt.Printf("%q\n", match.Keys(match.Person, "Robert Lovelase", nil))
	fmt.Printf("%q\n", match.Keys(match.Person, "李雷", pinyin.Readings))
	fmt.Printf("%q\n", match.Keys(match.Company, "Acme Engines GmbH", nil))
	fmt.Printf("%q\n", match.Keys(match.Email, "A.da+shop@googlemail.com", nil))
	fmt.Printf("%q\n", match.Keys(match.Phone, "+49 30 901820", nil))
	// Output:
	// ["lovelacerobert" "lovelacebob" "~lflc rbrt "]
	// ["lovelaserobert" "robertlovelase" "~lfls rbrt "]
	// ["李雷" "lilei" "leili"]
	// ["acmeengines" "~acm engns "]
	// ["ada@gmail.com"]
	// ["0901820"]
}

// Two records by themselves, of whose name seven others are known.
func ExampleModel_Compare() {
	_, fields := inventors()
	model, err := match.Usual(.001, fields...)
	if err != nil {
		log.Fatal(err)
	}
	why, err := model.Compare([]string{"Ada Lovelace", "", "ada@example.com"}, []string{"Lovelace, Ada", "", "ada@example.com"}, []float64{-3, 0, 0}, nil)
	fmt.Println(err)
	fmt.Print(why)
	// Output:
	// <nil>
	//     +7.7  name             ada lovelace: the same
	//    +11.2  mail             ada@example.com: the same
	//    -10.0  before comparing
	//     +8.9  bits: probability 0.9980
}

// A search is ended after each step, and goes on.
func ExampleSearch() {
	people, fields := inventors()
	model, err := match.Usual(.001, fields...)
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	var found []match.Pair
	for step := 0; ; step++ {
		search, err := match.NewSearch(ctx, people, model, match.Options{}) // in any process
		if err != nil {
			log.Fatal(err)
		}
		if step == search.Steps() {
			clusters, err := search.Clusters(found)
			fmt.Println(len(clusters), clusters[0].Records, err)
			return
		}
		pairs, err := search.Step(ctx, step)
		if err != nil {
			log.Fatal(err)
		}
		found = append(found, pairs...)
	}
	// Output: 1 [0 2] <nil>
}
