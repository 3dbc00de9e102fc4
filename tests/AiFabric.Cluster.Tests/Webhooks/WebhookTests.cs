using System.Net;
using AiFabric.Cluster.Tests.RealCluster;
using AiFabric.Crds.Adapters;
using AiFabric.Crds.CoServedModels;
using AiFabric.Crds.FinetuneJobs;
using AiFabric.Kube;
using AiFabric.Operator.Webhooks.Certificates;
using k8s.Models;
using Xunit;

namespace AiFabric.Cluster.Tests.Webhooks;

/// <summary>The webhooks as a real API server calls them, and as kubectl shows their answers.</summary>
[Trait("Suite", "e2e")]
[Collection(RealClusterTests.Name)]
public sealed class WebhookTests(RealClusterFixture fixture)
{
    private ControlPlane Plane => fixture.Plane;

    [Fact]
    public async Task Kubectl_shows_warnings_refusals_and_defaults()
    {
        const string Space = "webhooks-kubectl";
        await using WebhookOperator hooks = await WebhookOperator.StartAsync(Plane, Space);

        string warned = await ApplyAsync(Space, "Adapter", "early", """{"modelRef":{"name":"later"},"source":{"uri":"file:///a"}}""");
        Assert.Contains("Warning: spec.modelRef.name: CoServedModel later does not exist yet", warned, StringComparison.Ordinal);
        Assert.Contains("adapter.aifabric.io/early created", warned, StringComparison.Ordinal);

        await ApplyAsync(Space, "CoServedModel", "first", """{"model":{"uri":"file:///m"},"replicas":0,"lora":{"maxRank":8}}""");
        await WebhookOperator.WaitAsync(
            async () => (await ApplyAsync(Space, "Adapter", "seen", """{"modelRef":{"name":"first"},"source":{"uri":"file:///a"}}""", dryRun: true))
                .Contains("Warning", StringComparison.Ordinal) is false,
            "the operator to know the model");
        string taken = await ApplyAsync(Space, "CoServedModel", "second", """{"model":{"uri":"file:///m","name":"first"}}""", exitCode: 1);
        Assert.Contains(
            "admission webhook \"coservedmodels.validate.aifabric.io\" denied the request: spec.model.name: CoServedModel first of this namespace is served as "
            + "'first' already: choose another name", taken, StringComparison.Ordinal);
        string unknown = await ApplyAsync(
            Space, "CoServedModel", "third", """{"model":{"uri":"ftp://m/x"},"template":{"spec":{"nodeSelektor":{"gpu":"yes"}}}}""", exitCode: 1);
        Assert.Contains("spec.model.uri", unknown, StringComparison.Ordinal); // The schema's pattern comes before every webhook.
        unknown = await ApplyAsync(
            Space, "CoServedModel", "third", """{"model":{"uri":"file:///m"},"template":{"spec":{"nodeSelektor":{"gpu":"yes"}}}}""", exitCode: 1);
        Assert.Contains("denied the request: spec.template.spec.nodeSelektor: unknown field of a pod template", unknown, StringComparison.Ordinal);
        string rank = await ApplyAsync(Space, "FinetuneJob", "wide", """{"modelRef":{"name":"first"},"dataset":{"uri":"file:///d"}}""", exitCode: 1);
        Assert.Contains("denied the request: spec.lora.rank: lora.rank 16 exceeds lora.maxRank 8 of CoServedModel first", rank, StringComparison.Ordinal);

        await ApplyAsync(Space, "FinetuneJob", "named", """{"modelRef":{"name":"first"},"lora":{"rank":4},"dataset":{"uri":"file:///d"}}""");
        Assert.Equal("named", (await Plane.Client.GetAsync<FinetuneJob>("named", Space))!.Spec.Output.AdapterName);
        string changed = await ApplyAsync(
            Space, "FinetuneJob", "named", """{"modelRef":{"name":"first"},"lora":{"rank":2},"dataset":{"uri":"file:///d"}}""", exitCode: 1);
        Assert.Contains("lora is immutable", changed, StringComparison.Ordinal);
        await Plane.KubectlAsync(["-n", Space, "delete", "csm,adp,ftj", "--all", "--timeout=60s"]);
    }

    [Fact]
    public async Task A_bad_body_gets_one_clear_line_and_a_wrong_path_none_at_all()
    {
        await using WebhookOperator hooks = await WebhookOperator.StartAsync(Plane, "webhooks-bodies");
        (string Path, string Body, HttpStatusCode Code, string Answer)[] table =
        [
            ("validate/adapters", "{\"kind\":", HttpStatusCode.BadRequest, "the body is no AdmissionReview: "),
            ("default/finetunejobs", "", HttpStatusCode.BadRequest, "the body is empty"),
            ("validate/pods", "{}", HttpStatusCode.NotFound, "no reviews of 'pods': known are coservedmodels, adapters, finetunejobs, pipelines"),
            ("validate/adapters", new string(' ', 9_000_000), HttpStatusCode.RequestEntityTooLarge, "the body has more than 8388608 bytes"),
            ("metrics", "", HttpStatusCode.NotFound, ""),
        ];
        foreach ((string path, string body, HttpStatusCode code, string answer) in table)
        {
            using HttpResponseMessage response = await hooks.Http.PostAsync(new Uri(hooks.Uri, path), new StringContent(body));
            string text = await response.Content.ReadAsStringAsync();
            Assert.Equal(code, response.StatusCode);
            Assert.StartsWith(answer, text, StringComparison.Ordinal);
            Assert.DoesNotContain('\n', text.TrimEnd('\n'));
        }
        using HttpResponseMessage plain = await hooks.Http.PostAsync(new Uri(hooks.Health, "validate/adapters"), new StringContent("{}"));
        Assert.Equal(HttpStatusCode.NotFound, plain.StatusCode); // No reviews without TLS.
    }

    [Fact]
    public async Task While_the_operator_is_down_the_failure_policy_decides()
    {
        const string Space = "webhooks-down";
        await using WebhookOperator hooks = await WebhookOperator.StartAsync(Plane, Space);
        await hooks.StopAsync();
        var refusal = await Assert.ThrowsAsync<KubernetesApiException>(() => Plane.Client.CreateAsync(NewModel("closed", Space)));
        Assert.Contains("failed calling webhook \"coservedmodels.validate.aifabric.io\"", refusal.Message, StringComparison.Ordinal);
        await Plane.Client.CreateAsync(NewModel("elsewhere", "default")); // Excluded by the selector.
        await Plane.Client.DeleteAsync<CoServedModel>("elsewhere", "default");

        await hooks.InstallAsync("Ignore");
        CoServedModel broken = NewModel("open", Space);
        broken.Spec.Template = new V1PodTemplateSpec { Spec = new V1PodSpec { Containers = [], RestartPolicy = "Never" } };
        await WebhookOperator.WaitAsync(
            async () =>
            {
                try
                {
                    return await Plane.Client.CreateAsync(broken) is not null;
                }
                catch (KubernetesApiException e) when (e.Message.Contains("failed calling webhook", StringComparison.Ordinal))
                {
                    return false; // The API servers learn of the policy by a watch.
                }
            },
            "the policy Ignore");

        // What came in then is reported by the reconciler, and may be edited and deleted once the webhooks are back.
        await hooks.InstallAsync("Fail");
        await hooks.StartAsync();
        await WebhookOperator.WaitAsync(
            async () => (await Plane.Client.GetAsync<CoServedModel>("open", Space))!.Status?.Conditions?.Any(c => c is { Type: "Ready", Reason: "InvalidSpec" }) == true,
            "the condition");
        string edited = await Plane.KubectlAsync(["-n", Space, "patch", "csm/open", "--type=merge", "-p", """{"spec":{"slo":{"ttftMilliseconds":900}}}"""]);
        Assert.Contains("Warning: spec.template.spec.restartPolicy: must be Always", edited, StringComparison.Ordinal);
        Assert.Contains("open patched", edited, StringComparison.Ordinal);
        await Plane.KubectlAsync(["-n", Space, "delete", "csm/open", "--timeout=30s"]);
    }

    [Fact]
    public async Task Authority_and_certificate_change_under_a_stream_of_creates_without_a_failed_request()
    {
        const string Space = "webhooks-rotation";
        var times = new CertificateTimes
        {
            AuthorityLife = TimeSpan.FromSeconds(24),
            ServingLife = TimeSpan.FromSeconds(12),
            Backdate = TimeSpan.FromSeconds(1),
            Settle = TimeSpan.FromSeconds(2),
            Look = TimeSpan.FromMilliseconds(250),
        };
        await using WebhookOperator hooks = await WebhookOperator.StartAsync(Plane, Space, times: times);
        var certificates = new HashSet<string>();
        var authorities = new HashSet<string>();
        int created = 0;
        for (long start = TimeProvider.System.GetTimestamp(); TimeProvider.System.GetElapsedTime(start) < TimeSpan.FromSeconds(50); created++)
        {
            Adapter adapter = await Plane.Client.CreateAsync(new Adapter
            {
                Metadata = new V1ObjectMeta { Name = $"a{created}", NamespaceProperty = Space },
                Spec = new AdapterSpec { ModelRef = new LocalReference { Name = "none" }, Source = new AdapterSource { Uri = "file:///a" } },
            });
            await Plane.Client.DeleteAsync(adapter);
            KeyRing ring = hooks.Ring;
            certificates.Add(ring.Serving.Pem);
            authorities.UnionWith(ring.Authorities.Select(authority => authority.Pem));
        }
        TestContext.Current.TestOutputHelper?.WriteLine($"{created} creates, {certificates.Count} certificates, {authorities.Count} authorities");
        Assert.InRange(created, 50, int.MaxValue);
        Assert.InRange(certificates.Count, 4, int.MaxValue);
        Assert.InRange(authorities.Count, 3, int.MaxValue);
        // Connections live on through a change, so look at a new one: it gets the newest certificate.
        using HttpResponseMessage answer = await hooks.Http.PostAsync(new Uri(hooks.Uri, "validate/adapters"), new StringContent(""));
        Assert.Equal(HttpStatusCode.BadRequest, answer.StatusCode);
    }

    private static CoServedModel NewModel(string name, string space) => new()
    {
        Metadata = new V1ObjectMeta { Name = name, NamespaceProperty = space },
        Spec = new CoServedModelSpec { Model = new ModelSource { Uri = "file:///models/demo" }, Replicas = 0 },
    };

    private Task<string> ApplyAsync(string space, string kind, string name, string spec, bool dryRun = false, int exitCode = 0) => Plane.KubectlAsync(
        // The 1.20 client's own validation would ask for the fields that the webhook fills in.
        ["apply", "--validate=false", dryRun ? "--dry-run=server" : "--dry-run=none", "-f", "-"],
        $$"""{"apiVersion":"aifabric.io/v1alpha1","kind":"{{kind}}","metadata":{"name":"{{name}}","namespace":"{{space}}"},"spec":{{spec}}}""", exitCode);
}
