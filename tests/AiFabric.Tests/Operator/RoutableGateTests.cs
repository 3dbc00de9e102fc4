using AiFabric.Operator.Gateways;
using AiFabric.Operator.Models;
using AiFabric.Operator.Workers;
using Xunit;

namespace AiFabric.Tests.Operator;

public sealed class RoutableGateTests
{
    private static readonly WorkerPod Waiting = Make.Pod("new") with { Gated = true };
    private static readonly WorkerPod Marked = Waiting with { Routable = true };

    /// <summary>The pod, what the gateways route to, and what is to be written: null for nothing.</summary>
    private static readonly (string Case, WorkerPod Pod, GatewayView Gateways, bool? Written)[] Table =
    [
        ("routed by the gateway", Waiting, Make.Gateway([Waiting]), true),
        ("routed by every gateway", Waiting, Two([Waiting], [Waiting]), true),
        ("not routed by one gateway", Waiting, Two([Waiting], []), null),
        ("one gateway is silent", Waiting, new([new("g0", Make.Report([Waiting])), new("g1", null, "refused")]), null),
        ("no gateway", Waiting, GatewayView.None, null),
        ("routed under another revision", Waiting, Make.Gateway([Waiting with { Revision = "r0" }]), null),
        ("another pod is routed", Waiting, Make.Gateway([Make.Pod("old")]), null),
        ("not ready though routed", Waiting with { Ready = false }, Make.Gateway([Waiting]), null),
        ("without a gate", Make.Pod("new"), Make.Gateway([Make.Pod("new")]), null),
        ("leaving", Waiting with { Terminating = true, Ready = false }, Make.Gateway([Waiting]), null),
        ("marked already", Marked, Make.Gateway([Marked]), null),
        ("marked, and a gateway lost it", Marked, Make.Gateway([]), null),
        ("marked, and the gateways are gone", Marked, GatewayView.None, null),
        ("marked, and its container failed", Marked with { Ready = false }, Make.Gateway([Marked]), false),
        ("marked, failed and leaving", Marked with { Ready = false, Terminating = true }, Make.Gateway([]), null),
        ("lacks an adapter of the others", Waiting, Adapters([], ["fr"]), null),
        ("has the adapters of the others and more", Waiting, Adapters(["de", "fr"], ["fr"]), true),
    ];

    [Fact]
    public void A_pod_is_marked_once_every_gateway_routes_to_it_and_unmarked_when_its_worker_fails() => Assert.All(Table, row =>
    {
        ModelObservation observed = new() { Model = Make.Model(), Pods = [row.Pod], Gateways = row.Gateways };
        Assert.Equal((row.Case, row.Written), (row.Case, RoutableGate.Plan(observed).SingleOrDefault()?.Routable));
    });

    [Fact]
    public void An_adapter_that_is_missing_is_named()
    {
        ModelObservation observed = new() { Model = Make.Model(), Pods = [Waiting], Gateways = Adapters([], ["fr"]) };
        Assert.Equal("gateway g0 does not route adapter fr to pod new yet", RoutableGate.Routed(Waiting, observed).Message);
    }

    private static GatewayView Two(WorkerPod[] first, WorkerPod[] second) => new([new("g0", Make.Report(first)), new("g1", Make.Report(second))]);

    private static GatewayView Adapters(string[] own, string[] others)
    {
        var report = Make.Report([Waiting], own);
        return new([new("g0", report with { Routes = [.. report.Routes, .. Make.Report([Make.Pod("old", "r0")], others).Routes] })]);
    }
}
