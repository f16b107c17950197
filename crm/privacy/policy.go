package privacy

import (
	"context"
	"time"

	"github.com/embedcrm/embedcrm/crm"
)

// Policy is what a tenant asks of the handling of personal data. The zero policy answers
// by the GDPR, and logs what was revealed.
type Policy struct {
	// Law is by which law requests are answered that name none; empty: [GDPR].
	Law Law
	// Days is another number of days to answer in; 0: what the law gives. It shortens what
	// GDPR and PIPL give, and never adds to it.
	Days int
	// SoonDays is how many days before that somebody is told, by the event
	// data_request.due_soon; 0: 7.
	SoonDays int
	// Log are the kinds of records of which it is logged who was shown them, and by which
	// export: "customer". What was revealed is logged of any kind, and so are exports where
	// Export raises alarms. What cannot be logged is not shown.
	Log []string
	// Keep is how long the log is kept; 0: for good. See [Privacy.Upkeep].
	Keep time.Duration
	// Export says which exports raise an alarm.
	Export ExportRule
}

// Law is a law by which a request is answered.
type Law string

// The laws, and the time they give. Days are those of the tenant's zone, and the last one
// counts whole. Holidays and weekends, after which a law may give a day more, are not
// looked at.
const (
	// GDPR is Regulation (EU) 2016/679: one month from the day of receipt (Article 12
	// (3)), which ends on the day of the same number, or the last of a month that has none
	// (Regulation 1182/71 Article 3 (2) (c)): of 31 January on 28 February.
	GDPR Law = "gdpr"
	// PIPL is the Personal Information Protection Law of the People's Republic of China
	// (个人信息保护法). It says "in time" (Article 50); GB/T 35273-2020 8.7 says thirty days.
	PIPL Law = "pipl"
	// OtherLaw gives Policy.Days.
	OtherLaw Law = "other"
)

// SetPolicy sets how the host answers what a tenant asks. It is called once, before the
// core's Migrate. The function is called by many goroutines, and answers from memory.
func (p *Privacy) SetPolicy(of func(tenant string) Policy) { p.policy = of }

func (p *Privacy) policyOf(ctx context.Context) Policy {
	var is Policy
	if p.policy != nil {
		is = p.policy(crm.TenantOf(ctx))
	}
	if is.Law == "" {
		is.Law = GDPR
	}
	if is.SoonDays <= 0 {
		is.SoonDays = 7
	}
	return is
}

// due is the last day on which a request is answered.
func (p Policy) due(law Law, received crm.Date) (crm.Date, error) {
	own := plusDays(received, p.Days)
	var due crm.Date
	switch law {
	case GDPR:
		due = plusMonths(received, 1)
	case PIPL:
		due = plusDays(received, 30)
	case OtherLaw:
		if p.Days <= 0 {
			return crm.Date{}, crm.Invalid("law", "gives no time of its own: set Policy.Days")
		}
		return own, nil
	default:
		return crm.Date{}, crm.Invalid("law", "is gdpr, pipl or other")
	}
	if p.Days > 0 && own.Compare(due) < 0 {
		due = own
	}
	return due, nil
}

func plusDays(d crm.Date, n int) crm.Date {
	return crm.DateOf(d.Time(time.UTC).AddDate(0, 0, n))
}

// plusMonths is the day of the same number that many months later, or the last of a month
// that has none.
func plusMonths(d crm.Date, n int) crm.Date {
	first := time.Date(d.Year, d.Month+time.Month(n), 1, 0, 0, 0, 0, time.UTC)
	last := first.AddDate(0, 1, -1).Day()
	return crm.Date{Year: first.Year(), Month: first.Month(), Day: min(d.Day, last)}
}
