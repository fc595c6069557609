package main

import (
	"errors"
	"flag"
	"fmt"
	"io"

	"github.com/windrow-go/windrow"
)

// config is what the flags say.
type config struct {
	n      int              // symbols to create at most; 0 means all
	rate   int              // the server's limit
	limits []windrow.Option // what the limiter is told
	json   bool
	keep   bool
}

// parse reads the flags. What is wrong with them is written to output, too.
func parse(args []string, output io.Writer) (config, error) {
	var cfg config
	flags := flag.NewFlagSet("quickstart", flag.ContinueOnError)
	flags.SetOutput(output)
	flags.IntVar(&cfg.n, "n", 0, "create the first `n` symbols; 0 means all")
	flags.IntVar(&cfg.rate, "rate", 500, "let the server take `n` requests a second, of one action and from one address")
	concurrency := flags.Int("concurrency", 0, "send at most `n` requests at once; 0 lets the limiter find out")
	flags.BoolVar(&cfg.json, "json", false, "end with one line of JSON")
	flags.BoolVar(&cfg.keep, "keep", false, "keep the server's data folder")
	if err := flags.Parse(args); err != nil {
		return config{}, err
	}

	var errs []error
	if flags.NArg() > 0 {
		errs = append(errs, fmt.Errorf("unexpected argument %q: there are only flags", flags.Arg(0)))
	}
	if cfg.n < 0 {
		errs = append(errs, fmt.Errorf("-n %d: must be 0 for all symbols, or more", cfg.n))
	}
	if cfg.rate < 1 {
		errs = append(errs, fmt.Errorf("-rate %d: must be at least 1 request a second", cfg.rate))
	}
	if *concurrency < 0 {
		errs = append(errs, fmt.Errorf("-concurrency %d: must be 0 to let the limiter find out, or more", *concurrency))
	}
	if err := errors.Join(errs...); err != nil {
		fmt.Fprintf(output, "%v\nSee -help for the flags.\n", err)
		return config{}, err
	}
	if *concurrency > 0 {
		cfg.limits = []windrow.Option{windrow.Concurrency(*concurrency)}
	}
	return cfg, nil
}
