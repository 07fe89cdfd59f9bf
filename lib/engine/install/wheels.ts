/** A file of the Python package index. Only the libraries inside are used: no Python of that version is needed. */
export interface Wheel {
  /** Its name: NAME-VERSION-PYTHON-ABI-PLATFORM.whl. */
  readonly file: string;
  readonly bytes: number;
  readonly sha256: string;
}

/** What an engine is made of. */
export interface Recipe {
  readonly wheels: readonly Wheel[];
  /** Of the wheels' members, what is laid out. */
  readonly takes: RegExp;
  readonly licence: string;
  /** First version of NVIDIA's driver that runs it; none for the processor. */
  readonly driver?: number;
}

const CUDA_LICENCE = "NVIDIA's CUDA libraries: their own licence (the *.dist-info folders hold it)";

/** ONNX Runtime's C library and CUDA provider, of onnxruntime-node's own version: their symbols carry it. CUDA 13. */
const cuda: Recipe = {
  wheels: [
    {
      file: "onnxruntime_gpu-1.30.0-cp311-cp311-manylinux_2_28_x86_64.whl",
      bytes: 246_658_419,
      sha256: "4fbf0c5d7b5fb99266c2e8a802e3e64af68bdc383e0f3c7349b985f1087eedaa",
    },
    {
      file: "nvidia_cublas-13.10.0.20-py3-none-manylinux1_x86_64.manylinux_2_5_x86_64.whl",
      bytes: 444_289_903,
      sha256: "dcc6d63884c53d07e267ce7e6feac17b2538cebaafec5db865736c3e28e4dc84",
    },
    {
      file: "nvidia_cuda_runtime-13.5.37-py3-none-manylinux2014_x86_64.manylinux_2_17_x86_64.whl",
      bytes: 2_504_024,
      sha256: "df2b79a8852f10d1fef8c848489c49eebb5754051bf870202a862831412b179d",
    },
    {
      file: "nvidia_curand-10.4.5.25-py3-none-manylinux_2_27_x86_64.whl",
      bytes: 77_113_015,
      sha256: "22bb226a857e5888fe6b54ae465fc4371296bcff13a35f79e19691bcf454f529",
    },
    {
      file: "nvidia_cudnn_cu13-9.28.1.4-py3-none-manylinux_2_27_x86_64.whl",
      bytes: 516_817_937,
      sha256: "a54f205b1db1f2895d99f398754db1369816f0569dd459731f925635cf7b65ec",
    },
    {
      file: "nvidia_cuda_nvrtc-13.5.37-py3-none-manylinux2010_x86_64.manylinux_2_12_x86_64.whl",
      bytes: 58_185_930,
      sha256: "86b4d68058807988b7d9af5b44917a0601e9c337f35ccd657bfb3c759ff8d8bc",
    },
  ],
  takes: new RegExp(
    "^(onnxruntime/(capi/libonnxruntime(_providers_(cuda|shared))?[.]so|LICENSE)|" +
      "nvidia/.*[.]so|[^/]*[.]dist-info/)",
  ),
  licence: `ONNX Runtime: MIT; ${CUDA_LICENCE}`,
  driver: 580,
};

const TENSORFLOW = /^(tensorflow\/(libtensorflow_|include\/)|nvidia\/(.*\.so|cuda_nvcc\/)|[^/]*\.dist-info\/)/;

const tensorflowCpu: Recipe = {
  wheels: [
    {
      file: "tensorflow_cpu-2.21.0-cp311-cp311-manylinux_2_27_x86_64.whl",
      bytes: 273_829_956,
      sha256: "2b847d217b02ee7731ed91431daf3250daa0196c3c94614d23be27232e6e5b6c",
    },
  ],
  takes: TENSORFLOW,
  licence: "TensorFlow, @tensorflow/tfjs-node-gpu: Apache-2.0",
};

/** With the libraries that the package names in its extra "and-cuda". */
const tensorflowCuda: Recipe = {
  wheels: [
    {
      file: "tensorflow-2.21.0-cp311-cp311-manylinux_2_27_x86_64.whl",
      bytes: 572_440_367,
      sha256: "9056fbc9ba04235810b71ae6cbd958a196e8804fb53bbcffbf3e23b56155f124",
    },
    {
      file: "nvidia_cublas_cu12-12.9.3.13-py3-none-manylinux_2_27_x86_64.whl",
      bytes: 581_217_458,
      sha256: "d7d51055f161b317c7105ddaae90e71eda059026074ffef93cf7cde2886bfe72",
    },
    {
      file: "nvidia_cuda_cupti_cu12-12.9.79-py3-none-manylinux_2_25_x86_64.whl",
      bytes: 10_814_997,
      sha256: "096bcf334f13e1984ba36685ad4c1d6347db214de03dbb6eebb237b41d9d934f",
    },
    {
      file: "nvidia_cuda_nvcc_cu12-12.9.86-py3-none-manylinux2010_x86_64.manylinux_2_12_x86_64.whl",
      bytes: 40_546_229,
      sha256: "5d6a0d32fdc7ea39917c20065614ae93add6f577d840233237ff08e9a38f58f0",
    },
    {
      file: "nvidia_cuda_nvrtc_cu12-12.9.86-py3-none-manylinux2010_x86_64.manylinux_2_12_x86_64.whl",
      bytes: 89_568_129,
      sha256: "210cf05005a447e29214e9ce50851e83fc5f4358df8b453155d5e1918094dcb4",
    },
    {
      file: "nvidia_cuda_runtime_cu12-12.9.79-py3-none-manylinux2014_x86_64.manylinux_2_17_x86_64.whl",
      bytes: 3_493_179,
      sha256: "25bba2dfb01d48a9b59ca474a1ac43c6ebf7011f1b0b8cc44f54eb6ac48a96c3",
    },
    {
      file: "nvidia_cudnn_cu12-9.28.0.42-py3-none-manylinux_2_27_x86_64.whl",
      bytes: 716_538_495,
      sha256: "9ff58b7f36dacd0a93e89f8f2957b52466889217963701daa15e577317cfa375",
    },
    {
      file: "nvidia_cufft_cu12-11.4.1.4-py3-none-manylinux2014_x86_64.manylinux_2_17_x86_64.whl",
      bytes: 200_877_592,
      sha256: "c67884f2a7d276b4b80eb56a79322a95df592ae5e765cf1243693365ccab4e28",
    },
    {
      file: "nvidia_curand_cu12-10.3.10.19-py3-none-manylinux_2_27_x86_64.whl",
      bytes: 68_295_626,
      sha256: "49b274db4780d421bd2ccd362e1415c13887c53c214f0d4b761752b8f9f6aa1e",
    },
    {
      file: "nvidia_cusolver_cu12-11.7.5.82-py3-none-manylinux_2_27_x86_64.whl",
      bytes: 338_117_415,
      sha256: "15da72d1340d29b5b3cf3fd100e3cd53421dde36002eda6ed93811af63c40d88",
    },
    {
      file: "nvidia_cusparse_cu12-12.5.10.65-py3-none-manylinux2014_x86_64.manylinux_2_17_x86_64.whl",
      bytes: 366_465_088,
      sha256: "73060ce019ac064a057267c585bf1fd5a353734151f87472ff02b2c5c9984e78",
    },
    {
      file: "nvidia_nccl_cu12-2.32.3-py3-none-manylinux_2_27_x86_64.whl",
      bytes: 351_526_311,
      sha256: "bb94b2348e4861d5e8aa00b36c3d12d9bdf9c6369b82cbb723de0b582280a21c",
    },
    {
      file: "nvidia_nvjitlink_cu12-12.9.86-py3-none-manylinux2010_x86_64.manylinux_2_12_x86_64.whl",
      bytes: 39_748_338,
      sha256: "e3f1171dbdc83c5932a45f0f4c99180a70de9bd2718c1ab77d14104f6d7147f9",
    },
  ],
  takes: TENSORFLOW,
  licence: `TensorFlow, @tensorflow/tfjs-node-gpu: Apache-2.0; ${CUDA_LICENCE}`,
  driver: 525,
};

/** What `engine install` knows. */
export const RECIPES = { cuda, "tensorflow-cpu": tensorflowCpu, "tensorflow-cuda": tensorflowCuda } as const;

export interface WheelParts {
  readonly name: string;
  readonly version: string;
  readonly python: string;
  readonly abi: string;
  readonly platforms: readonly string[];
}

/** The parts of a wheel's name, NAME-VERSION-PYTHON-ABI-PLATFORM.whl; undefined for another name. */
export function wheelParts(file: string): WheelParts | undefined {
  const match = /^([^-]+)-([^-]+)(?:-\d[^-]*)?-([^-]+)-([^-]+)-([^-]+)\.whl$/.exec(file);
  if (match === null) return undefined;
  const [name, version, python, abi, platform] = match.slice(1) as [string, string, string, string, string];
  return { name: name.toLowerCase(), version, python, abi, platforms: platform.split(".") };
}
