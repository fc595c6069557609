package rest

import (
	"errors"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/adapters/internal/testkit"
)

// F15: an API says with a 403 what others say with a 429, and its classifier reads the body.
func TestF15ClassifierReadsTheBody(t *testing.T) {
	t.Parallel()
	secondary := func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusForbidden, map[string]string{"message": "You have exceeded a secondary rate limit."})
	}
	classifier := secondaryLimit
	synctest.Test(t, func(t *testing.T) {
		res, took, _, err := timed(t, 2, secondary, classifier)
		if err != nil {
			t.Fatal(err)
		}
		testkit.Check(t, "ends", []end{{succeeded, 1}, {succeeded, 1}}, ends(res))
		within(t, took, 60*time.Second, 66*time.Second)
	})
	// Outside a run the limiter learns of it, too.
	synctest.Test(t, func(t *testing.T) {
		limiter := &windrow.Limiter{}
		articles := articlesOf(serve(t, each(secondary, good)).client(t, WithLimiter(limiter), classifier))
		_, err := articles.Create(t.Context(), draft{"a"})
		if e, ok := errors.AsType[*Error](err); !ok || e.Status != http.StatusForbidden {
			t.Errorf("error %v holds no Error with status 403", err)
		}
		began := time.Now()
		if _, err := articles.Create(t.Context(), draft{"a"}); err != nil {
			t.Fatal(err)
		}
		within(t, time.Since(began), 60*time.Second, 66*time.Second)
	})
	// A 429 without a header whose body says how long.
	synctest.Test(t, func(t *testing.T) {
		limiter := &windrow.Limiter{}
		articles := articlesOf(serve(t, each(status(http.StatusTooManyRequests), good)).client(t, WithLimiter(limiter), WithClassifier(func(e *Error) error {
			return windrow.Throttled(e, time.Minute)
		})))
		_, _ = articles.Create(t.Context(), draft{"a"})
		within(t, time.Until(limiter.Stats().PausedUntil), 60*time.Second, 66*time.Second)
	})
	// What it does not know stays as it is.
	synctest.Test(t, func(t *testing.T) {
		_, err := articlesOf(serve(t, status(http.StatusConflict)).client(t, classifier)).Create(t.Context(), draft{"a"})
		if !errors.Is(err, windrow.ErrAlreadyExists) {
			t.Errorf("error %v", err)
		}
	})
}

// What authors of clients find among the options of their users: the last classifier, or none.
func TestClassifierOf(t *testing.T) {
	t.Parallel()
	one, two := errors.New("one"), errors.New("two")
	returns := func(err error) Option { return WithClassifier(func(*Error) error { return err }) }
	if ClassifierOf() != nil || ClassifierOf(WithMaxBody(-1), nil, WithHeader("A", "b"), WithToken("")) != nil {
		t.Error("there is a classifier")
	}
	if got := ClassifierOf(returns(one), returns(two), WithMaxBody(1))(&Error{}); got != two {
		t.Errorf("%v is not of the last", got)
	}
}
