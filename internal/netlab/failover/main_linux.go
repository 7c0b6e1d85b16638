package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/postroad/postroad/internal/netlab"
)

// qdrouterdVariable names a program that starts qdrouterd, for comparison. Its only argument is the configuration file.
const qdrouterdVariable = "POSTROAD_FAILOVER_QDROUTERD"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		if !errors.Is(err, flag.ErrHelp) {
			fmt.Fprintln(os.Stderr, "failover:", err)
		}
		os.Exit(1)
	}
}

// priority is that of what is measured, above the other programs of this machine.
const priority = -15

// prioritize raises the priority of all threads of this process; later ones and the routers inherit it. Without, what
// else runs on this machine would be measured, too.
func prioritize() error {
	threads, err := os.ReadDir("/proc/self/task")
	for _, t := range threads {
		id, e := strconv.Atoi(t.Name())
		if e == nil {
			e = syscall.Setpriority(syscall.PRIO_PROCESS, id, priority)
		}
		if errors.Is(e, syscall.ESRCH) {
			continue // the thread has ended
		}
		err = errors.Join(err, e)
	}
	if err != nil {
		return fmt.Errorf("raise the priority of this process: %w", err)
	}
	return nil
}

// options are what the command line says.
type options struct {
	postroad, qdrouterd string
	runs                int
	rates               []int
	scenarios           []string
	json                bool
	logs                string
}

// run is the command.
func run(ctx context.Context, arguments []string) error {
	o, err := parse(arguments)
	if err != nil {
		return err
	}
	if err := netlab.Check(); err != nil {
		return err
	}
	if err := prioritize(); err != nil {
		return err
	}
	var programs []netlab.Program
	if o.postroad != "" {
		programs = append(programs, netlab.Postroad(o.postroad))
	}
	if o.qdrouterd != "" {
		programs = append(programs, netlab.Qdrouterd(o.qdrouterd))
	}
	var results []*result
	for _, p := range programs {
		for _, s := range o.chosen() {
			r := &result{Router: p.Name, Scenario: s.name, Rate: s.rate}
			results = append(results, r)
			for i := range o.runs {
				fmt.Fprintf(os.Stderr, "\r\x1b[K%s, %s: run %d of %d", p.Name, s.title(), i+1, o.runs)
				out, err := s.measure(ctx, p, o.logs)
				if ctx.Err() != nil {
					fmt.Fprintln(os.Stderr, "\ninterrupted; what follows is what was measured until then")
					return print(o, results)
				}
				if err != nil {
					r.Failures = append(r.Failures, err.Error())
					continue
				}
				r.Runs = append(r.Runs, out)
			}
			fmt.Fprint(os.Stderr, "\r\x1b[K")
		}
	}
	return print(o, results)
}

// parse reads the command line.
func parse(arguments []string) (*options, error) {
	o := &options{}
	fs := flag.NewFlagSet("failover", flag.ContinueOnError)
	fs.StringVar(&o.postroad, "postroad", "", "program to measure; a `path`, \"\" to leave it out")
	fs.StringVar(&o.qdrouterd, "qdrouterd", os.Getenv(qdrouterdVariable), "`path` of a program that starts qdrouterd with a "+
		"configuration file,\nfor comparison; $"+qdrouterdVariable+" unless given")
	fs.IntVar(&o.runs, "runs", 50, "runs of each scenario")
	rates := fs.String("rates", "200,20000", "messages a second")
	names := fs.String("scenarios", strings.Join(scenarioNames(), ","), "what to measure")
	fs.BoolVar(&o.json, "json", false, "print JSON, with every single run")
	fs.StringVar(&o.logs, "logs", "", "print what the routers log at these `levels` (info+, for example)")
	if err := fs.Parse(arguments); err != nil {
		return nil, err
	}
	var err error
	for _, text := range strings.Split(*rates, ",") {
		rate, e := strconv.Atoi(text)
		if e != nil || rate < 1 {
			err = errors.Join(err, fmt.Errorf("%q is no rate", text))
		}
		o.rates = append(o.rates, rate)
	}
	for _, name := range strings.Split(*names, ",") {
		if kinds[name].measure == nil {
			err = errors.Join(err, fmt.Errorf("there is no scenario %q; there are %s", name,
				strings.Join(scenarioNames(), ", ")))
		}
		o.scenarios = append(o.scenarios, name)
	}
	for _, path := range []*string{&o.postroad, &o.qdrouterd} {
		if *path == "" {
			continue
		}
		absolute, e := filepath.Abs(*path)
		if e == nil {
			_, e = os.Stat(absolute)
		}
		err = errors.Join(err, e)
		*path = absolute
	}
	if o.postroad == "" && o.qdrouterd == "" {
		err = errors.Join(err, errors.New("name a router: -postroad or -qdrouterd"))
	}
	if o.runs < 1 {
		err = errors.Join(err, fmt.Errorf("%d runs are none", o.runs))
	}
	return o, err
}

// chosen lists the scenarios to be measured, one for each rate where that matters.
func (o *options) chosen() []scenario {
	var all []scenario
	for _, name := range o.scenarios {
		rates := o.rates
		if !kinds[name].rated {
			rates = []int{0}
		}
		for _, rate := range rates {
			all = append(all, scenario{name: name, rate: rate})
		}
	}
	return all
}

// print prints the results. An error says that some runs failed.
func print(o *options, results []*result) error {
	if o.json {
		e := json.NewEncoder(os.Stdout)
		e.SetIndent("", "  ")
		if err := e.Encode(results); err != nil {
			return err
		}
	} else {
		writeTable(os.Stdout, results)
	}
	var errs []error
	for _, r := range results {
		for _, f := range r.Failures {
			errs = append(errs, fmt.Errorf("%s, %s: %s", r.Router, r.Scenario, f))
		}
	}
	return errors.Join(errs...)
}
