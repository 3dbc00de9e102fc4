using AiFabric.Operator.Storage;
using k8s.Models;
using Xunit;

namespace AiFabric.Tests.Operator;

public sealed class StorageUriTests
{
    [Theory]
    [InlineData("file:///models/demo", "file:///models/demo")]
    [InlineData("file:///models/demo/", "file:///models/demo")]
    [InlineData("pvc://weights/llama/8b", "pvc://weights/llama/8b")]
    [InlineData("pvc://weights", "pvc://weights")]
    [InlineData("pvc://weights/", "pvc://weights")]
    [InlineData("hf://org/name@v1", "hf://org/name@v1")]
    [InlineData("hf://datasets/org/name/train.jsonl", "hf://datasets/org/name/train.jsonl")]
    [InlineData("https://host/model/", "https://host/model/")]
    [InlineData("s3://bucket/models/tiny", "s3://bucket/models/tiny")]
    [InlineData("oci://localhost:5000/team/model:v1", "oci://localhost:5000/team/model:v1")]
    public void A_place_that_works_now_is_read(string text, string canonical) => Assert.Equal(canonical, Make.Uri(text).ToString());

    [Theory]
    [InlineData("", "no URI")]
    [InlineData("/models/demo", "no URI")]
    [InlineData("file://models/demo", "three slashes")]
    [InlineData("file:///models/../etc", "'..'")]
    [InlineData("pvc://Bad_Claim/x", "PersistentVolumeClaim")]
    [InlineData("ftp://host/model", "scheme 'ftp' is not supported: use file://, pvc://, hf://")]
    [InlineData("hf://model", "names no repository: write hf://org/name")]
    [InlineData("s3:///prefix", "names no bucket")]
    [InlineData("oci://registry.example", "names no artifact")]
    [InlineData("oci://registry.example/Model:v1", "names no artifact")]
    [InlineData("https:///model", "names no host")]
    [InlineData("https://ann:secret@host/model.zip", "must not hold credentials")]
    [InlineData("https://host/my model.zip", "must not contain spaces")]
    public void A_place_that_does_not_is_refused_with_a_reason(string text, string reason)
    {
        Assert.False(StorageUri.TryParse(text, out _, out string? error));
        Assert.Contains(reason, error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("file:///data", "file:///data/a/b")]
    [InlineData("pvc://claim", "pvc://claim/a/b")]
    [InlineData("pvc://claim/x", "pvc://claim/x/a/b")]
    public void A_place_below_keeps_its_scheme(string text, string below) => Assert.Equal(below, Make.Uri(text).Below("a/b").ToString());

    [Theory]
    [InlineData("pvc://weights/llama", false, "file:///mnt/w/llama")]
    [InlineData("pvc://weights", false, "file:///mnt/w")]
    [InlineData("pvc://weights/llama", true, null)]
    [InlineData("pvc://scratch/out", true, "file:///scratch/out")]
    [InlineData("pvc://other/out", false, null)]
    [InlineData("file:///any", true, "file:///any")]
    [InlineData("hf://org/name", false, "hf://org/name")]
    [InlineData("hf://org/name", true, null)]
    public void A_claim_is_a_file_where_the_worker_mounts_it(string text, bool writable, string? file)
    {
        var pod = new V1PodSpec
        {
            Containers =
            [
                new V1Container { Name = "sidecar", VolumeMounts = [new V1VolumeMount { Name = "other", MountPath = "/other" }] },
                new V1Container
                {
                    Name = "worker",
                    VolumeMounts =
                    [
                        new V1VolumeMount { Name = "weights", MountPath = "/mnt/w", ReadOnlyProperty = true },
                        new V1VolumeMount { Name = "scratch", MountPath = "/scratch/" },
                    ],
                },
            ],
            Volumes = [Volume("weights"), Volume("scratch"), Volume("other")],
        };
        Assert.Equal(file, Make.Uri(text).WorkerUri(pod, writable));
    }

    private static V1Volume Volume(string claim) =>
        new() { Name = claim, PersistentVolumeClaim = new V1PersistentVolumeClaimVolumeSource { ClaimName = claim } };
}
