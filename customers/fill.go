package customers

import (
	"github.com/embedcrm/embedcrm/crm"
)

// own returns where a customer keeps his own address of a kind, or nil.
func (c *Customer) own(kind crm.AddressKind) *string {
	switch kind {
	case crm.AddressEmail:
		return &c.Email
	case crm.AddressPhone:
		return &c.Phone
	}
	return nil
}

// named reports whether anything is known that a customer can be called.
func (c *Customer) named() bool { return c.Name != "" || c.GivenName != "" || c.FamilyName != "" }

// fill gives a customer what he lacks and from has, but for addresses and refs. It
// reports whether there was anything.
func (c *Customer) fill(from *Customer) bool {
	gave := false
	if c.GivenName == "" && c.FamilyName == "" { // two halves of two people make no name
		gave = lack(&c.GivenName, from.GivenName, gave)
		gave = lack(&c.FamilyName, from.FamilyName, gave)
	}
	for _, f := range []struct {
		into *string
		from string
	}{
		{&c.Name, from.Name},
		{&c.Country, from.Country},
		{&c.Region, from.Region},
		{&c.Language, from.Language},
		{&c.Zone, from.Zone},
		{&c.Industry, from.Industry},
		{&c.Source, from.Source},
		{&c.FirstCampaign, from.FirstCampaign},
		{&c.LastCampaign, from.LastCampaign},
	} {
		gave = lack(f.into, f.from, gave)
	}
	if c.IndustryScheme == "" {
		gave = lack(&c.IndustryCode, from.IndustryCode, gave)
		gave = lack(&c.IndustryScheme, from.IndustryScheme, gave)
	}
	gave = lack(&c.Birthday, from.Birthday, gave)
	gave = lack(&c.Gender, from.Gender, gave)
	gave = lack(&c.ParentID, from.ParentID, gave)
	gave = lack(&c.Founded, from.Founded, gave)
	gave = lack(&c.Employees, from.Employees, gave)
	return lack(&c.Revenue, from.Revenue, gave)
}

// lack sets what is absent, and reports whether it did or something had been set before.
func lack[T comparable](into *T, from T, gave bool) bool {
	var none T
	if *into != none || from == none {
		return gave
	}
	*into = from
	return true
}
