package customers

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/text/unicode/norm"

	"github.com/embedcrm/embedcrm/crm"
)

// LegalBasis is by what law a customer is written to: a letter of Article 6 (1) of the
// GDPR, or a number of Article 13 of China's PIPL (个人信息保护法).
type LegalBasis string

// The legal bases.
const (
	BasisConsent             LegalBasis = "consent"              // GDPR (a), PIPL (1)
	BasisContract            LegalBasis = "contract"             // GDPR (b), PIPL (2)
	BasisLegalObligation     LegalBasis = "legal_obligation"     // GDPR (c), PIPL (3)
	BasisVitalInterests      LegalBasis = "vital_interests"      // GDPR (d), PIPL (4)
	BasisPublicTask          LegalBasis = "public_task"          // GDPR (e), PIPL (3)
	BasisLegitimateInterests LegalBasis = "legitimate_interests" // GDPR (f)
	BasisPublicInterest      LegalBasis = "public_interest"      // PIPL (5): news
	BasisDisclosed           LegalBasis = "disclosed"            // PIPL (6): what was made public
	BasisOtherLaw            LegalBasis = "other_law"            // PIPL (7)
)

// fault refuses what is no legal basis.
func (b LegalBasis) fault() error {
	all := []LegalBasis{
		BasisConsent, BasisContract, BasisLegalObligation, BasisVitalInterests, BasisPublicTask, BasisLegitimateInterests, BasisPublicInterest,
		BasisDisclosed, BasisOtherLaw,
	}
	if slices.Contains(all, b) {
		return nil
	}
	names := make([]string, len(all))
	for i, name := range all {
		names[i] = string(name)
	}
	return crm.Invalid("basis", "%q is none of: %s", clipped(string(b)), strings.Join(names, ", "))
}

// refusable reports whether a customer may say no: GDPR Articles 7 (3) and 21 (1), PIPL
// Articles 15 and 27.
func (b LegalBasis) refusable() bool {
	return b == BasisConsent || b == BasisLegitimateInterests || b == BasisPublicTask || b == BasisDisclosed
}

// ConsentTopic is something customers are written to about: news, offers, the delivery
// of an order. A tenant makes them up as it runs.
type ConsentTopic struct {
	crm.Record

	// Key is what code calls it: lower-case letters, digits, - and _, at most 48. It stays.
	Key  string `crm:"required,max=48,unique" json:"key"`
	Name string `crm:"required,max=100"       json:"name"`
	// Description is what the customer reads beside the name where he chooses.
	Description string `crm:"max=1000" json:"description,omitempty"`
	// Channels are what it is sent by, 1 to 20: email, sms, wechat.
	Channels []string `json:"channels"`
	// Basis is by what law. Where it is consent, who did not give it is not written to.
	// Where it is another one he is, unless he said no; and to what rests on a contract, a
	// duty or an emergency there is no no.
	Basis LegalBasis `crm:"required,max=32" json:"basis"`
	// DoubleOptIn is that a consent holds once the customer confirmed it by a token that
	// reached him; see [Consents.Ask].
	DoubleOptIn bool `json:"double_opt_in"`
	// ValidDays is after how many days a consent expires, at most 36,500; 0: it does not.
	ValidDays int64 `json:"valid_days"`
}

const maxTopicChannels = 20

var _ crm.Validator = (*ConsentTopic)(nil)

// Validate refuses keys and channels that are none.
func (t *ConsentTopic) Validate() error {
	switch {
	case strings.Trim(t.Key, "abcdefghijklmnopqrstuvwxyz0123456789-_") != "":
		return crm.Invalid("key", "%q is no key: lower-case letters, digits, - and _ make one", t.Key)
	case len(t.Channels) == 0 || len(t.Channels) > maxTopicChannels:
		return crm.Invalid("channels", "are %d: name 1 to %d, such as email", len(t.Channels), maxTopicChannels)
	case t.ValidDays < 0 || t.ValidDays > 36_500:
		return crm.Invalid("valid_days", "is a number of days from 1 to 36500, or 0")
	case t.DoubleOptIn && t.Basis != BasisConsent:
		return crm.Invalid("double_opt_in", "is for what rests on consent, and this rests on %s", t.Basis)
	}
	if err := t.Basis.fault(); err != nil {
		return err
	}
	for _, channel := range t.Channels {
		if err := channelFault("channels", channel); err != nil {
			return err
		}
	}
	return nil
}

// channelFault refuses what is no name of a channel.
func channelFault(field, channel string) error {
	if _, err := crm.ParseAddress(crm.AddressKind(channel), "x"); channel != "email" && channel != "phone" && err != nil {
		return crm.Invalid(field, "%q is no channel: 1 to 32 small letters, digits, _ and - make its name", clipped(channel))
	}
	return nil
}

// sentBy refuses a channel that the topic is not sent by.
func (t *ConsentTopic) sentBy(channel string) error {
	if !slices.Contains(t.Channels, channel) {
		return crm.Invalid("channel", "the topic %s is sent by %s, and not by %q", t.Key, strings.Join(t.Channels, ", "), clipped(channel))
	}
	return nil
}

// ConsentTopics are what a tenant's customers can agree to. One that somebody said
// something of is not deleted.
type ConsentTopics struct{ crm.Collection[ConsentTopic] }

// ConsentText is what customers are shown when they are asked, word by word. What is kept
// is never changed or deleted, since consents were given to it: another wording is
// another one.
type ConsentText struct {
	crm.Record

	TopicID crm.ID `crm:"required,ref=consent_topic" json:"topic_id"`
	// Language is a tag of BCP 47: de, zh-Hant.
	Language string `crm:"max=35" json:"language,omitempty"`
	// Number is which text of its topic and language it is: 1, 2, 3. What is given is
	// ignored.
	Number int64 `crm:"guarded" json:"number"`
	// Key is topic, language and number in one. What is given is ignored.
	Key  string `crm:"required,guarded,max=100,unique" json:"key"`
	Text string `crm:"required,max=20000"              json:"text"`
	// Hash is the SHA-256 of Text, in hexadecimal. What is given is ignored.
	Hash string `crm:"required,guarded,max=64" json:"hash"`
}

var _ crm.Validator = (*ConsentText)(nil)

// Validate refuses a language that is none.
func (t *ConsentText) Validate() error {
	if fault := languageFault(t.Language); fault != "" {
		return crm.Invalid("language", "%s", fault)
	}
	return nil
}

// ConsentTexts are what customers were shown.
type ConsentTexts struct {
	crm.Collection[ConsentText]

	topics *crm.Kind[ConsentTopic]
}

func (s *Consents) defineTopics(core *crm.Core) error {
	topics, err := crm.Define(core, crm.Object[ConsentTopic]{
		Name: "consent_topic",
		BeforeWrite: func(_ context.Context, w *crm.Write[ConsentTopic]) error {
			if w.Before != nil && w.After.Key != w.Before.Key {
				return crm.Invalid("key", "is %s, and stays so: what customers said names it", w.Before.Key)
			}
			return nil
		},
	})
	if err != nil {
		return err
	}
	s.Topics = &ConsentTopics{topics.Collection}
	s.Texts = &ConsentTexts{topics: topics}
	texts, err := crm.Define(core, crm.Object[ConsentText]{Name: "consent_text", BeforeWrite: s.Texts.number, AfterWrite: s.Texts.kept})
	if err != nil {
		return err
	}
	s.Texts.Collection = texts.Collection
	return nil
}

var errTextStays = crm.Invalid("text", "stays as it was shown: create another one")

// number gives a text its number, and holds that it stays as it is.
func (t *ConsentTexts) number(ctx context.Context, w *crm.Write[ConsentText]) error {
	is, was := w.After, w.Before
	if was != nil {
		if is.TopicID != was.TopicID || is.Language != was.Language || is.Text != was.Text {
			return errTextStays
		}
		return nil
	}
	system := crm.SystemIn(ctx)
	if _, err := t.topics.Hold(system, is.TopicID); err != nil {
		return crm.Invalid("topic_id", "refers to no topic that lives")
	}
	is.Text, is.Language = strings.TrimSpace(norm.NFC.String(is.Text)), strings.TrimSpace(is.Language) // as it will be kept
	n, err := t.Count(system, crm.WithDeleted(), crm.Where("topic_id == $1 and key startsWith $2", is.TopicID, is.TopicID.String()+" "+is.Language+" "))
	if err != nil {
		return err
	}
	is.Number = n + 1
	is.Key = fmt.Sprintf("%s %s %d", is.TopicID, is.Language, is.Number)
	is.Hash = hexSum(is.Text)
	return nil
}

func (t *ConsentTexts) kept(_ context.Context, w *crm.Write[ConsentText]) error {
	if w.After == nil || !w.After.Deleted.IsZero() {
		return errTextStays
	}
	return nil
}

func hexSum(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}
