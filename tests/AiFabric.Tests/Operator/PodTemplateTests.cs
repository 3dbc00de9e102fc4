using AiFabric.Crds.Adapters;
using AiFabric.Crds.Common;
using AiFabric.Crds.CoServedModels;
using AiFabric.Operator.Models;
using AiFabric.Tests.Layering;
using k8s;
using k8s.Models;
using Xunit;

namespace AiFabric.Tests.Operator;

public sealed class PodTemplateTests
{
    /// <summary>Set to 1 to write the golden file anew.</summary>
    private const string UpdateVariable = "AIFABRIC_UPDATE_GOLDEN";

    [Theory]
    [InlineData("plain")]
    [InlineData("full")]
    public void The_pod_template_is_as_the_golden_file_says(string name)
    {
        CoServedModel model = name == "plain" ? Make.Model() : Full();
        var settings = name == "plain"
            ? Make.Settings
            : Make.Settings with
            {
                Command = ["/app/worker"],
                Environment = new Dictionary<string, string> { ["DOTNET_gcServer"] = "0" },
                Data = Make.Uri("pvc://shared/aifabric"),
            };
        string text = KubernetesYaml.Serialize(PodTemplateBuilder.Build(model, settings, "0123456789")).ReplaceLineEndings("\n").TrimEnd() + "\n";
        string path = Path.Combine(Repository.Root, "tests", "golden", "operator", $"worker-pod-{name}.yaml");
        if (Environment.GetEnvironmentVariable(UpdateVariable) == "1")
        {
            Directory.CreateDirectory(Path.GetDirectoryName(path)!);
            File.WriteAllText(path, text);
        }
        Assert.Equal(File.ReadAllText(path), text);
    }

    [Fact]
    public void A_model_that_is_downloaded_gets_a_cache_a_revision_credentials_and_time()
    {
        CoServedModel model = Make.Model(spec => spec.Model = new ModelSource
        {
            Uri = "hf://org/name",
            Revision = "v1",
            CredentialsSecretRef = new LocalReference { Name = "hub" },
        });
        V1PodSpec pod = PodTemplateBuilder.Build(model, Make.Settings with { Cache = new() { SizeLimit = "2Gi" } }, "t").Spec;
        V1Container worker = pod.Containers[0];
        Assert.Equal("hf://org/name", worker.Args[2]);
        Assert.Equal(["--revision", "v1", "--model-cache", ModelDownload.MountPath, "--model-cache-bytes", "2147483648"], worker.Args.TakeLast(6));
        Assert.Equal("hub", Assert.Single(worker.EnvFrom).SecretRef.Name);
        Assert.Equal("2Gi", pod.Volumes.Single(volume => volume.Name == ModelDownload.VolumeName).EmptyDir.SizeLimit.ToString());
        Assert.Equal(ModelDownload.MountPath, MountOfCache(worker).MountPath);
        Assert.Equal(86_400, worker.StartupProbe.FailureThreshold * worker.StartupProbe.PeriodSeconds);
    }

    [Fact]
    public void Credentials_come_after_the_sources_of_variables_that_templates_name()
    {
        CoServedModel model = Make.Model(spec => spec.Model.CredentialsSecretRef = new LocalReference { Name = "hub" });
        PodSettings settings = Make.Settings with { Template = From("everyones") };
        Assert.Equal(["everyones", "hub"], Sources());
        model.Spec.Template = From("models");
        Assert.Equal(["models", "hub"], Sources());

        IEnumerable<string> Sources() => PodTemplateBuilder.Build(model, settings, "t").Spec.Containers[0].EnvFrom.Select(source => source.SecretRef.Name);
        static V1PodTemplateSpec From(string secret) => new()
        {
            Spec = new V1PodSpec
            {
                Containers = [new V1Container { Name = "worker", EnvFrom = [new V1EnvFromSource { SecretRef = new V1SecretEnvSource { Name = secret } }] }],
            },
        };
    }

    [Theory]
    [InlineData("/data/models", null, "/data/models")]
    [InlineData(null, "models", ModelDownload.MountPath)]
    public void A_lasting_cache_is_mounted_for_every_model(string? hostPath, string? claim, string mountPath)
    {
        PodSettings settings = Make.Settings with { Cache = new() { HostPath = hostPath, ClaimName = claim } };
        V1PodSpec pod = PodTemplateBuilder.Build(Make.Model(), settings, "t").Spec;
        V1Volume volume = pod.Volumes.Single(candidate => candidate.Name == ModelDownload.VolumeName);
        Assert.Equal((hostPath, claim), (volume.HostPath?.Path, volume.PersistentVolumeClaim?.ClaimName));
        Assert.Equal(mountPath, MountOfCache(pod.Containers[0]).MountPath);
        Assert.Equal(["--model-cache", mountPath], pod.Containers[0].Args.TakeLast(2));
    }

    [Fact]
    public void Quantization_is_an_argument_and_makes_another_revision()
    {
        CoServedModel plain = Make.Model(), none = Quantized(Quantization.None), eight = Quantized(Quantization.Q8);
        Assert.DoesNotContain("--quantization", Arguments(plain));
        Assert.Equal(Arguments(plain), Arguments(none));
        Assert.Equal(["--quantization", "Q8"], Arguments(eight).SkipWhile(argument => argument != "--quantization").Take(2));
        Assert.Equal(Revision(plain), Revision(none));
        Assert.NotEqual(Revision(plain), Revision(eight));

        static CoServedModel Quantized(Quantization quantization) => Make.Model(spec => spec.Model.Quantization = quantization);
        static IList<string> Arguments(CoServedModel model) => PodTemplateBuilder.Build(model, Make.Settings, "t").Spec.Containers[0].Args;
    }

    [Fact]
    public void Speculation_is_off_unless_asked_for_and_rolls_the_pods()
    {
        CoServedModel model = Make.Model(spec => spec.Speculative = new SpeculativeSpec { Method = SpeculativeMethod.PromptLookup, Tokens = 6, PromptLookupMax = 3 });
        Assert.DoesNotContain("--speculative-method", PodTemplateBuilder.Build(Make.Model(), Make.Settings, "t").Spec.Containers[0].Args);
        Assert.Equal(
            ["--speculative-method", "PromptLookup", "--speculative-tokens", "6", "--prompt-lookup-max", "3"],
            PodTemplateBuilder.Build(model, Make.Settings, "t").Spec.Containers[0].Args.TakeLast(6));
        Assert.NotEqual(Revision(Make.Model()), Revision(model));
    }

    [Fact]
    public void The_revision_follows_what_pods_are_made_of_and_nothing_else()
    {
        string original = Revision(Make.Model());
        Assert.Equal(original, Revision(Make.Model(spec => spec.Replicas = 7)));
        Assert.Equal(original, Revision(Make.Model(spec => spec.Scaling = new ScalingSpec { MaxReplicas = 3 })));
        Assert.NotEqual(original, Revision(Make.Model(spec => spec.Model.Revision = "abc")));
        Assert.NotEqual(original, Revision(Make.Model(spec => spec.Slo = new SloSpec { TpotMilliseconds = 20 })));
        Assert.NotEqual(original, Revision(Make.Model(), token: "other"));
    }

    [Fact]
    public void The_order_of_a_users_labels_does_not_roll_the_pods()
    {
        CoServedModel one = Make.Model(spec => spec.Template = Labelled(new() { ["a"] = "1", ["b"] = "2" }));
        CoServedModel two = Make.Model(spec => spec.Template = Labelled(new() { ["b"] = "2", ["a"] = "1" }));
        Assert.Equal(Revision(one), Revision(two));
    }

    [Fact]
    public void A_users_own_mount_of_the_claim_is_used()
    {
        CoServedModel model = Make.Model(spec =>
        {
            spec.Model.Uri = "pvc://weights/llama";
            spec.Template = new V1PodTemplateSpec
            {
                Spec = new V1PodSpec
                {
                    Containers = [new V1Container { Name = "worker", VolumeMounts = [new V1VolumeMount { Name = "w", MountPath = "/w" }] }],
                    Volumes = [new V1Volume { Name = "w", PersistentVolumeClaim = new() { ClaimName = "weights" } }],
                },
            };
        });
        V1PodSpec pod = PodTemplateBuilder.Build(model, Make.Settings, "t").Spec;
        Assert.Equal("file:///w/llama", pod.Containers[0].Args[2]);
        Assert.Single(pod.Volumes, volume => volume.PersistentVolumeClaim is not null);
    }

    [Fact]
    public void The_administrators_template_lies_between_the_operators_and_the_models()
    {
        PodSettings settings = Make.Settings with
        {
            Template = new V1PodTemplateSpec
            {
                Spec = new V1PodSpec
                {
                    PriorityClassName = "serving",
                    NodeSelector = new Dictionary<string, string> { ["pool"] = "cpu" },
                    SecurityContext = new V1PodSecurityContext { RunAsUser = 1000 },
                    Containers = [new V1Container { Name = "worker", Resources = Limits(("cpu", "8"), ("memory", "1Gi")), ImagePullPolicy = "Always" }],
                },
            },
        };
        CoServedModel model = Make.Model(spec =>
        {
            spec.Resources = Limits(("cpu", "2"));
            spec.Template = new V1PodTemplateSpec { Spec = new V1PodSpec { NodeSelector = new Dictionary<string, string> { ["pool"] = "gpu" } } };
        });
        V1PodSpec pod = PodTemplateBuilder.Build(model, settings, "t").Spec;

        Assert.Equal(("serving", "gpu", 1000L), (pod.PriorityClassName, pod.NodeSelector["pool"], pod.SecurityContext.RunAsUser));
        Assert.True(pod.SecurityContext.RunAsNonRoot);
        V1Container worker = Assert.Single(pod.Containers);
        Assert.Equal(("worker:1", "Always"), (worker.Image, worker.ImagePullPolicy));
        Assert.Equal(("2", "1Gi"), (worker.Resources.Limits["cpu"].ToString(), worker.Resources.Limits["memory"].ToString()));
    }

    [Theory]
    [InlineData(null, null, 60L)]
    [InlineData(120L, null, 120L)]
    [InlineData(null, 300L, 300L)]
    [InlineData(120L, 300L, 300L)]
    public void The_worker_drains_within_its_pods_grace_period_whoever_set_it(long? administrators, long? models, long grace)
    {
        V1PodSpec pod = PodTemplateBuilder.Build(
            Make.Model(spec => spec.Template = WithGrace(models)), Make.Settings with { Template = WithGrace(administrators) }, "t").Spec;
        Assert.Equal(grace, pod.TerminationGracePeriodSeconds);
        Assert.Equal(["--drain-seconds", $"{grace - 10}"], pod.Containers[0].Args.SkipWhile(argument => argument != "--drain-seconds").Take(2));
    }

    [Fact]
    public void Pods_that_are_processes_see_the_machines_own_folders()
    {
        V1PodSpec pod = PodTemplateBuilder.Build(Make.Model(), Make.Settings with { Restricted = false }, "t").Spec;
        Assert.Null(pod.Volumes);
        Assert.Null(pod.SecurityContext);
        Assert.Null(pod.Containers[0].SecurityContext);
    }

    private static V1ResourceRequirements Limits(params (string Name, string Amount)[] limits) =>
        new() { Limits = limits.ToDictionary(limit => limit.Name, limit => new ResourceQuantity(limit.Amount)) };

    private static V1VolumeMount MountOfCache(V1Container worker) => worker.VolumeMounts.Single(mount => mount.Name == ModelDownload.VolumeName);

    private static string Revision(CoServedModel model, string token = "t") =>
        PodTemplateBuilder.Build(model, Make.Settings, token).Metadata.Labels[Labels.Revision];

    private static V1PodTemplateSpec WithGrace(long? seconds) => new() { Spec = new V1PodSpec { TerminationGracePeriodSeconds = seconds } };

    private static V1PodTemplateSpec Labelled(Dictionary<string, string> labels) => new() { Metadata = new V1ObjectMeta { Labels = labels } };

    private static CoServedModel Full() => Make.Model(spec =>
    {
        spec.Model = new ModelSource { Uri = "pvc://weights/llama-8b", Revision = "v2", Name = "meta/llama-8b" };
        spec.Slo = new SloSpec { TtftMilliseconds = 2000, TpotMilliseconds = 50 };
        spec.CoServing = new CoServingSpec { Policy = CoServingPolicy.WeightedFair, MaxFinetuneTokensPerIteration = 128, FinetuneMemoryMebibytes = 4096 };
        spec.Lora = new LoraSpec { MaxAdapters = 4, MaxRank = 32 };
        spec.Resources = new V1ResourceRequirements
        {
            Limits = new Dictionary<string, ResourceQuantity> { ["nvidia.com/gpu"] = new("1") },
        };
        spec.Template = new V1PodTemplateSpec
        {
            Metadata = new V1ObjectMeta { Labels = new Dictionary<string, string> { ["team"] = "nlp" } },
            Spec = new V1PodSpec
            {
                NodeSelector = new Dictionary<string, string> { ["gpu"] = "h100" },
                Tolerations = [new V1Toleration { Key = "nvidia.com/gpu", OperatorProperty = "Exists" }],
                TerminationGracePeriodSeconds = 120,
                Containers =
                [
                    new V1Container
                    {
                        Name = "worker",
                        Image = "registry.example/worker:cuda",
                        Env = [new V1EnvVar { Name = "AIFABRIC_DTYPE", Value = "bfloat16" }, new V1EnvVar { Name = "DOTNET_gcServer", Value = "1" }],
                    },
                    new V1Container { Name = "sidecar", Image = "proxy:2" },
                ],
            },
        };
    });
}
