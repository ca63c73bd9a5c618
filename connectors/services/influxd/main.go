// The server of InfluxDB without the subcommands that convert, inspect and repair files: fewer packages to compile.
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/influxdata/influxdb/v2"
	"github.com/influxdata/influxdb/v2/cmd/influxd/launcher"
	_ "github.com/influxdata/influxdb/v2/tsdb/engine/tsm1"
	_ "github.com/influxdata/influxdb/v2/tsdb/index/tsi1"
	"github.com/spf13/viper"
)

var version = "dev"

func main() {
	influxdb.SetBuildInfo(version, "none", "unknown")
	command, err := launcher.NewInfluxdCommand(context.Background(), viper.New())
	if err == nil {
		command.SilenceUsage = true
		err = command.Execute()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
