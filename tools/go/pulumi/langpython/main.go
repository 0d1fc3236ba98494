// pulumi-language-python: a small Python language host for the Pulumi engine.
// It implements what a stack, a policy pack and a provider written in Python need; no code generation.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/common/version"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"github.com/pulumi/pulumi/sdk/v3/python/toolchain"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/emptypb"
)

// Python exits with this code once it has shown the user why it failed.
const shownToUser = 32

func main() {
	var engine string
	for _, arg := range os.Args[1:] {
		if !strings.HasPrefix(arg, "-") {
			engine = arg
		}
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	go exitWithParent(os.Getppid())
	server := grpc.NewServer(grpc.MaxRecvMsgSize(400 << 20))
	pulumirpc.RegisterLanguageRuntimeServer(server, &host{engine: engine})
	fmt.Println(listener.Addr().(*net.TCPAddr).Port)
	if err := server.Serve(listener); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func exitWithParent(parent int) {
	for os.Getppid() == parent {
		time.Sleep(time.Second)
	}
	os.Exit(0)
}

type host struct {
	pulumirpc.UnimplementedLanguageRuntimeServer
	engine string
}

func (h *host) Handshake(_ context.Context, req *pulumirpc.LanguageHandshakeRequest) (*pulumirpc.LanguageHandshakeResponse, error) {
	h.engine = req.EngineAddress
	return &pulumirpc.LanguageHandshakeResponse{}, nil
}

func (h *host) GetPluginInfo(context.Context, *emptypb.Empty) (*pulumirpc.PluginInfo, error) {
	return &pulumirpc.PluginInfo{Version: version.Version}, nil
}

func (h *host) Cancel(context.Context, *emptypb.Empty) (*emptypb.Empty, error) {
	return &emptypb.Empty{}, nil
}

func (h *host) RuntimeOptionsPrompts(context.Context, *pulumirpc.RuntimeOptionsRequest) (*pulumirpc.RuntimeOptionsResponse, error) {
	return &pulumirpc.RuntimeOptionsResponse{}, nil
}

func pythonOf(info *pulumirpc.ProgramInfo) (toolchain.Toolchain, error) {
	options := toolchain.PythonOptions{Root: info.GetRootDirectory(), ProgramDir: info.GetProgramDirectory()}
	for name, value := range info.GetOptions().AsMap() {
		text, isText := value.(string)
		if !isText {
			return nil, fmt.Errorf("Pulumi.yaml: runtime.options.%s is %v, it must be a string", name, value)
		}
		switch name {
		case "virtualenv":
			options.Virtualenv = text
		case "toolchain":
			switch text {
			case "pip":
				options.Toolchain = toolchain.Pip
			case "poetry":
				options.Toolchain = toolchain.Poetry
			case "uv":
				options.Toolchain = toolchain.Uv
			default:
				return nil, fmt.Errorf("Pulumi.yaml: runtime.options.toolchain is %q, it may be pip, poetry or uv", text)
			}
		default:
			// typechecker, for one: the official host runs mypy or pyright, this one must not pretend to
			return nil, fmt.Errorf("Pulumi.yaml: runtime.options.%s is not known to this language host, it knows virtualenv and toolchain", name)
		}
	}
	return toolchain.ResolveToolchain(options)
}

// ask runs a line of Python that prints JSON.
func ask(ctx context.Context, python toolchain.Toolchain, code string, answer any) error {
	cmd, err := python.Command(ctx, "-c", code)
	if err != nil {
		return err
	}
	out, err := cmd.Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return fmt.Errorf("%w: %s", err, exit.Stderr)
	}
	if err != nil {
		// no Python to run: the toolchain tells the user how to make its environment
		if invalid := python.ValidateVenv(ctx); invalid != nil {
			return invalid
		}
		return err
	}
	return json.Unmarshal(out, answer)
}

const listPlugins = `
import importlib.metadata as m, json
found = []
for dist in m.distributions():
    for f in dist.files or ():
        if f.name == "pulumi-plugin.json":
            plugin = json.loads(f.locate().read_text())
            if plugin.get("resource"):
                plugin.setdefault("name", dist.name.lower().replace("_", "-").removeprefix("pulumi-"))
                plugin.setdefault("version", dist.version)
                found.append(plugin)
print(json.dumps(found))
`

type pluginFile struct{ Name, Version, Server string }

func (h *host) GetRequiredPackages(ctx context.Context, req *pulumirpc.GetRequiredPackagesRequest) (*pulumirpc.GetRequiredPackagesResponse, error) {
	python, err := pythonOf(req.Info)
	if err != nil {
		return nil, err
	}
	var found []pluginFile
	if err := ask(ctx, python, listPlugins, &found); err != nil {
		return nil, fmt.Errorf("listing the Python packages' plugins: %w", err)
	}
	response := &pulumirpc.GetRequiredPackagesResponse{}
	for _, p := range found {
		v := p.Version
		if v != "" && !strings.HasPrefix(v, "v") {
			v = "v" + v
		}
		response.Packages = append(response.Packages, &pulumirpc.PackageDependency{Name: p.Name, Kind: "resource", Version: v, Server: p.Server})
	}
	return response, nil
}

func (h *host) Run(ctx context.Context, req *pulumirpc.RunRequest) (*pulumirpc.RunResponse, error) {
	python, err := pythonOf(req.Info)
	if err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	config, _ := json.Marshal(map[string]string{}) // not null: Python iterates over both
	if len(req.Config) > 0 {
		config, _ = json.Marshal(req.Config)
	}
	secrets, _ := json.Marshal(append([]string{}, req.ConfigSecretKeys...))
	args := []string{
		"-u", filepath.Join(filepath.Dir(self), "pulumi-language-python-exec"),
		"--monitor", req.MonitorAddress, "--engine", h.engine,
		"--organization", req.Organization, "--project", req.Project, "--stack", req.Stack,
		"--root_directory", req.GetInfo().GetRootDirectory(), "--pwd", req.Pwd,
		"--dry_run", strconv.FormatBool(req.DryRun), "--parallel", strconv.Itoa(int(req.Parallel)),
		programOf(req.Info),
	}
	cmd, err := python.Command(ctx, append(args, req.Args...)...)
	if err != nil {
		return nil, err
	}
	cmd.Dir = req.GetInfo().GetRootDirectory()
	cmd.Env = append(environ(cmd), "PULUMI_CONFIG="+string(config), "PULUMI_CONFIG_SECRET_KEYS="+string(secrets))
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	err = cmd.Run()
	var exit *exec.ExitError
	switch {
	case err == nil:
		return &pulumirpc.RunResponse{}, nil
	case errors.As(err, &exit) && exit.ExitCode() == shownToUser:
		return &pulumirpc.RunResponse{Bail: true}, nil
	default:
		return &pulumirpc.RunResponse{Error: fmt.Sprintf("Program exited with an error: %v", err)}, nil
	}
}

func programOf(info *pulumirpc.ProgramInfo) string {
	if info.GetEntryPoint() == "" || info.GetEntryPoint() == "." {
		return info.GetProgramDirectory()
	}
	return filepath.Join(info.GetProgramDirectory(), info.GetEntryPoint())
}

func environ(cmd *exec.Cmd) []string {
	if cmd.Env != nil {
		return cmd.Env
	}
	return os.Environ()
}

func (h *host) RunPlugin(req *pulumirpc.RunPluginRequest, stream grpc.ServerStreamingServer[pulumirpc.RunPluginResponse]) error {
	python, err := pythonOf(req.Info)
	if err != nil {
		return err
	}
	args := []string{"-u"}
	if req.Kind == "analyzer" {
		// args[0] is the engine's address
		args = append(args, "-m", "pulumi.policy", req.Args[0], programOf(req.Info))
		args = append(args, req.Args[1:]...)
	} else {
		args = append(append(args, programOf(req.Info)), req.Args...)
	}
	cmd, err := python.Command(stream.Context(), args...)
	if err != nil {
		return err
	}
	cmd.Dir = req.Pwd
	cmd.Env = append(environ(cmd), req.Env...)
	cmd.Stdout = sender(func(b []byte) error {
		return stream.Send(&pulumirpc.RunPluginResponse{Output: &pulumirpc.RunPluginResponse_Stdout{Stdout: b}})
	})
	cmd.Stderr = sender(func(b []byte) error {
		return stream.Send(&pulumirpc.RunPluginResponse{Output: &pulumirpc.RunPluginResponse_Stderr{Stderr: b}})
	})
	code := int32(0)
	var exit *exec.ExitError
	if err := cmd.Run(); errors.As(err, &exit) {
		code = int32(exit.ExitCode())
	} else if err != nil {
		return err
	}
	return stream.Send(&pulumirpc.RunPluginResponse{Output: &pulumirpc.RunPluginResponse_Exitcode{Exitcode: code}})
}

type sender func([]byte) error

func (s sender) Write(b []byte) (int, error) { return len(b), s(append([]byte(nil), b...)) }

var _ io.Writer = sender(nil)

func (h *host) InstallDependencies(req *pulumirpc.InstallDependenciesRequest, stream grpc.ServerStreamingServer[pulumirpc.InstallDependenciesResponse]) error {
	python, err := pythonOf(req.Info)
	if err != nil {
		return err
	}
	out := sender(func(b []byte) error { return stream.Send(&pulumirpc.InstallDependenciesResponse{Stdout: b}) })
	return python.InstallDependencies(stream.Context(), req.GetInfo().GetRootDirectory(), req.UseLanguageVersionTools, true, out, out)
}

func (h *host) About(ctx context.Context, req *pulumirpc.AboutRequest) (*pulumirpc.AboutResponse, error) {
	python, err := pythonOf(req.Info)
	if err != nil {
		return nil, err
	}
	about, err := python.About(ctx)
	if err != nil {
		return nil, err
	}
	return &pulumirpc.AboutResponse{Executable: about.PythonExecutable, Version: about.PythonVersion.String()}, nil
}

// What is installed, and what no other package asks for, without pip: uv's environments have none.
const listDependencies = `
import importlib.metadata as m, json, re
plain = lambda name: re.sub("[-_.]+", "-", name).lower()
found = {plain(d.name): d for d in m.distributions()}
asked = {plain(re.match("[A-Za-z0-9._-]+", r)[0]) for d in found.values() for r in d.requires or () if "extra ==" not in r}
print(json.dumps([{"name": d.name, "version": d.version, "top": n not in asked} for n, d in sorted(found.items())]))
`

type dependency struct {
	Name, Version string
	Top           bool
}

func (h *host) GetProgramDependencies(ctx context.Context, req *pulumirpc.GetProgramDependenciesRequest) (*pulumirpc.GetProgramDependenciesResponse, error) {
	python, err := pythonOf(req.Info)
	if err != nil {
		return nil, err
	}
	var found []dependency
	if err := ask(ctx, python, listDependencies, &found); err != nil {
		return nil, fmt.Errorf("listing the program's Python packages: %w", err)
	}
	response := &pulumirpc.GetProgramDependenciesResponse{}
	for _, d := range found {
		if d.Top || req.TransitiveDependencies {
			response.Dependencies = append(response.Dependencies, &pulumirpc.DependencyInfo{Name: d.Name, Version: d.Version})
		}
	}
	return response, nil
}
