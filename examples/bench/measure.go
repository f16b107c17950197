package main

import (
	"fmt"
	"math/big"
	"runtime"
	"slices"
	"time"
)

// trial makes ready for n repetitions of something, makes them, and returns how long they alone took.
type trial func(n int) (time.Duration, error)

// figure is what a comparison came to: the medians of a repetition's time, of the ratio, and the ratio's upper bound.
type figure struct {
	ours, base   time.Duration
	ratio, bound float64
}

// per is the figure of one of the n things that a repetition does.
func (f figure) per(n int) figure {
	f.ours, f.base = f.ours/time.Duration(n), f.base/time.Duration(n)
	return f
}

func (f figure) String() string {
	us := func(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }
	return fmt.Sprintf("%.1f\t%.1f\t%.3f\t%.3f", us(f.ours), us(f.base), f.ratio, f.bound)
}

// compare runs the two in turns. Each round is a ratio of its own, so that what else the machine does in the meantime is
// in both of its sides. In a round each side runs twice, for half of slice, in an order and then its
// mirror image: what is warm for the one because the other was there before evens out. What takes longer than a slice
// runs once.
func compare(rounds int, slice time.Duration, ours, base trial) (figure, error) {
	n, err := repetitions(slice/2, ours, base)
	if err != nil {
		return figure{}, err
	}
	order := []int{0, 1, 1, 0}
	if n == 0 {
		n, order = 1, []int{0, 1}
	}
	var times [2][]time.Duration
	ratios := make([]float64, rounds)
	for round := range rounds {
		var took [2]time.Duration
		for _, k := range order {
			which := (k + round) % 2
			d, err := []trial{ours, base}[which](n)
			if err != nil {
				return figure{}, err
			}
			took[which] += d
		}
		for which, d := range took {
			times[which] = append(times[which], d/time.Duration(n*len(order)/2))
		}
		ratios[round] = float64(took[0]) / float64(took[1])
	}
	ratio := median(ratios)
	return figure{median(times[0]), median(times[1]), ratio, ratios[upper(rounds)-1]}, nil
}

// repetitions returns how many of each take about as long as given, or 0 if one takes more than twice that. It is also
// what warms both up.
func repetitions(long time.Duration, trials ...trial) (int, error) {
	for n := 1; ; n *= 2 {
		var slower time.Duration
		for _, t := range trials {
			fastest := time.Duration(1 << 62)
			for range 3 { // something else may have slowed down the others
				took, err := t(n)
				if err != nil {
					return 0, err
				}
				fastest = min(fastest, took)
				if took > 2*long {
					break
				}
			}
			slower = max(slower, fastest)
		}
		switch {
		case n == 1 && slower > 2*long:
			return 0, nil
		case slower > long/2 || n >= 1<<16:
			return max(1, int(int64(n)*int64(long)/int64(slower))), nil
		}
	}
}

// timed measures n calls of fn, which begin with the garbage of others collected.
func timed(n int, fn func(i int) error) (time.Duration, error) {
	runtime.GC()
	start := time.Now()
	for i := range n {
		if err := fn(i); err != nil {
			return 0, err
		}
	}
	return time.Since(start), nil
}

// clock tells the time as a database keeps it.
func clock() time.Time { return time.Now().UTC().Truncate(time.Microsecond) }

func median[T time.Duration | float64](list []T) T {
	slices.Sort(list)
	return (list[(len(list)-1)/2] + list[len(list)/2]) / 2
}

// upper returns which of n values in order, from 1, is the upper end of the 95 % confidence interval of their median. It
// assumes nothing about how they are distributed: each is as likely above the median as below, so that how many are below
// is binomial, and the k-th is below the median with the probability that k or more are.
func upper(n int) int {
	ways, all := new(big.Int), new(big.Int).Lsh(big.NewInt(1), uint(n))
	for k := range n {
		// ways counts the outcomes, of all, in which at most k values are below the median.
		ways.Add(ways, new(big.Int).Binomial(int64(n), int64(k)))
		if share, _ := new(big.Rat).SetFrac(ways, all).Float64(); share >= 0.975 {
			return k + 1
		}
	}
	return n
}
